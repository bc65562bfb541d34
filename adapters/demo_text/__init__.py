"""The words and the grammar of the demo engine: original text, written for this purpose."""
