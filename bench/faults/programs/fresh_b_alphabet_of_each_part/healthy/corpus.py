"""Turn a text into pairs of a context and the character that follows."""

import string

import torch

ALPHABET = sorted("\n " + string.ascii_letters + "!$&',-.:;?3")


class Corpus:
    def __init__(self, text, context):
        self.alphabet = ALPHABET
        index = {letter: i for i, letter in enumerate(self.alphabet)}
        ids = torch.tensor([index[letter] for letter in text])
        self.contexts = ids.unfold(0, context, 1)[:-1]
        self.following = ids[context:]

    def __len__(self):
        return len(self.following)

    def batches(self, size):
        for rows in torch.randperm(len(self)).split(size):
            yield self.contexts[rows], self.following[rows]
