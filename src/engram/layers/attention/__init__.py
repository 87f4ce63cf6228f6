"""Attention: read a sequence, and report the attention weights."""

from engram.layers.attention.additive import AdditiveAttention
from engram.layers.attention.memory import Memory
from engram.layers.attention.multiplicative import MultiplicativeAttention
from engram.layers.attention.selfattentive import SelfAttentivePooling, redundancy

__all__ = [
    "AdditiveAttention",
    "Memory",
    "MultiplicativeAttention",
    "SelfAttentivePooling",
    "redundancy",
]
