"""What the real model is asked: ten questions in two languages, and one long passage."""

QUESTIONS = (
    "What is the capital of France?",
    "Explain photosynthesis to a child.",
    "Write a short poem about the sea.",
    "List three uses of copper.",
    "Why do leaves change colour in autumn?",
    "¿Cuál es la capital de España?",
    "Explica qué es un contrato de alquiler.",
    "¿Por qué el cielo es azul?",
    "Escribe una carta breve a un vecino.",
    "Enumera 3 ventajas de la energía solar en 2024.",
)

PASSAGE = """\
The lighthouse at Cabo de Palos was finished in 1865. Its lamp stands 81 metres above the sea
and can be seen from 23 nautical miles. The keeper's family lived on the ground floor until
1980, when the light was made automatic; since then a technician from Cartagena visits twice a
month. In the winter of 1906 the steamer Sirio struck the shoals of the Hormigas islands, four
kilometres to the east, and more than two hundred emigrants drowned within sight of the tower.
El faro sigue en servicio: emite dos destellos cada diez segundos, y su señal sonora, instalada
en 1923, se retiró en 1992 por falta de uso. Desde la terraza se ve la reserva marina, donde la
pesca está limitada desde 1995.
"""
