"""How the extractive model works: what a question asks for, where its words stand, and which span answers it."""
