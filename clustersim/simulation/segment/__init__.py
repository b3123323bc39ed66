"""A few consecutive layers on the streams of one device, in microseconds."""
