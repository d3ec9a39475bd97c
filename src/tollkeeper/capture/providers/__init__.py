"""The SDKs that are watched, one file each. The order is the order in which they are patched."""

PROVIDERS = ("openai", "anthropic", "google_genai", "groq", "ollama", "mistralai", "cohere", "bedrock")
