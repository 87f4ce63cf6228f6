"""Names of regions and of kinds of weights; `regions` assigns weights to them."""

ROLES = {
    "brainstem": "input, output and control: reading, clipping, stopping, checkpoints",
    "parietal": "mapping of the input: embeddings, projections before the recurrent layers",
    "occipital": "sight: convolutions",
    "frontal": "working memory: recurrent layers",
    "temporal": "long-term memory: head, attention, other learnt weights",
    "cerebellum": "fine-tuning: what adapts, and at which rate",
}


# from input to output; brainstem and cerebellum are for control and have no weights of their own
ORDER = ("occipital", "parietal", "frontal", "temporal")


KINDS = {
    "input": "what the input brings: matrices of recurrent layers and of projections before them",
    "recurrent": "what the state brings: recurrent matrices",
    "embedding": "a row for each token",
    "convolution": "filters",
    "attention": "queries, keys, values and scores",
    "head": "matrices of linear layers behind the recurrent ones",
    "bias": "what is added: biases, shifts of norms",
    "gain": "one number a unit: gains of norms, peepholes, initial states",
}


MATRICES = tuple(kind for kind in KINDS if kind not in ("bias", "gain"))
