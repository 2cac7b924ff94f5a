"""The service as a model of OpenAI's protocol: a collection is a model, its answers are replies."""
