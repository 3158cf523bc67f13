"""Prints and files in, validated bars out: pure, frames in and frames out."""
