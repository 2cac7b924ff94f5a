"""Cimiento behind langchain-core's interfaces: an embedding model, a retriever, a vector store."""
