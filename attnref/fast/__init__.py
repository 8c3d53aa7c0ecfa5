"""The same functions, same arguments, at full speed. Nothing in attnref imports it: it may be deleted whole."""
