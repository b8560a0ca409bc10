"""The vocabulary of Trema: facts, history, diagnoses. Standard library and NumPy only."""
