"""From a launch script, a config file or a log of a training program to a scenario, and back.

Nothing is executed: shell scripts are interpreted in a small safe subset (`shell.py`), and what isn't understood is
said. `importing.py` recognises the kind of a file; a launcher is a module.
"""
