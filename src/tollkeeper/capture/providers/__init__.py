"""The SDKs that are watched, one file each, by the package whose import brings that file in."""

PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google_genai": "google.genai",
    "groq": "groq",
    "ollama": "ollama",
    "mistralai": "mistralai",
    "cohere": "cohere",
    "bedrock": "botocore",
}
