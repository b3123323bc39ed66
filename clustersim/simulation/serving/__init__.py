"""Answering requests: prefill and decode passes, their memory, the fleet."""
