"""Models, tokenizers and chat templates in Hugging Face form."""
