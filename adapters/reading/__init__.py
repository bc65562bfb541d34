"""Documents are read in a process of their own, whose memory and time are bounded and which knows no secret.

process     starts it, feeds it, and says what became of it
__main__    what it does: `python -m adapters.reading`
limits      what it may take
composing   one normalized text from what a format holds
kinds       what a file is, by its content
formats     the readers: plain, markup, word, epub, pdf
"""
