// Every word the page shows, in both languages. Values with {braces} are filled in by `t`.

const STRINGS = {
  en: {
    skip: "Skip to the question",
    language: "Language",
    signOut: "Sign out",
    signIn: "Sign in",
    signInTitle: "Sign in to Cimiento",
    signInLead: "Open the sign-in link that the server printed when it started, or paste it here.",
    signInLabel: "Sign-in link",
    signInHint: "The link works once. “cimiento sign-in” on the server makes a new one.",
    documents: "Documents",
    close: "Close",
    choose: "Choose files",
    orDrop: "or drop them here",
    kinds: "PDF, Office, mail, EPUB, HTML, Markdown, CSV, text",
    dropNow: "Drop to add",
    filter: "Find a document",
    more: "Show more",
    empty: "No documents yet.",
    noMatch: "No document has that in its name.",
    welcomeTitle: "What would you like to know?",
    welcomeLead: "Answers come from your documents only, and every sentence shows where it is from.",
    welcomeFirst: "Start with a document",
    welcomeFirstLead: "Add a file; in moments you can ask about it and see the very lines each answer rests on.",
    question: "Ask about your documents",
    ask: "Ask",
    stop: "Stop",
    askNote: "Each question stands alone. Check what matters: every number opens its source.",
    evidence: "Source",
    deleteTitle: "Delete this document?",
    deleteText: "“{name}” and everything learned from it will be gone at once. This cannot be undone.",
    keep: "Keep it",
    delete: "Delete",
    deleteOf: "Delete {name}",
    deleted: "{name} was deleted.",
    retry: "Try again",
    cancel: "Cancel",
    cancelOf: "Cancel {name}",
    dismiss: "Dismiss",
    dismissOf: "Dismiss {name}",
    uploading: "Uploading",
    waiting: "Waiting",
    queued: "In the queue",
    running: "Starting",
    parsing: "Reading",
    chunking: "Dividing",
    embedding: "Indexing",
    publishing: "Finishing",
    searchable: "Ready",
    failed: "Failed",
    cancelled: "Cancelled",
    known: "Already here, unchanged",
    uploadLost: "The upload was interrupted. Check the connection and try again.",
    pages: "{n} pages",
    page1: "1 page",
    page: "page {n}",
    searching: "Searching your documents…",
    reading: "Reading {n} passages…",
    reading1: "Reading 1 passage…",
    writing: "Writing…",
    stopped: "Stopped. This answer is not finished and was not checked.",
    refused: "Not found in your documents",
    partial: "Partly supported",
    nearest: "The nearest passages",
    withdrawn: "A document that this answer showed was deleted.",
    nothing: "No passage came near the question.",
    unsupported: "no source",
    unsupportedLabel: "No source in your documents supports this sentence.",
    cite: "Source {n}: {name}",
    sources: "Sources",
    copy: "Copy",
    copied: "Copied",
    timing: "{s} s",
    passageOf: "Passage from {name}",
    context: "Show more of the text around it",
    download: "Download the document",
    version: "version {n}",
    answered: "The answer is ready.",
    connection: "The connection was lost. Ask again when it is back.",
    network: "The server cannot be reached.",
    notReady: "Still starting: {detail}",
    unknownError: "Something went wrong.",
    you: "You asked",
  },
  es: {
    skip: "Ir a la pregunta",
    language: "Idioma",
    signOut: "Salir",
    signIn: "Entrar",
    signInTitle: "Entrar en Cimiento",
    signInLead: "Abre el enlace de acceso que mostró el servidor al arrancar, o pégalo aquí.",
    signInLabel: "Enlace de acceso",
    signInHint: "El enlace sirve una vez. «cimiento sign-in» en el servidor crea otro.",
    documents: "Documentos",
    close: "Cerrar",
    choose: "Elegir archivos",
    orDrop: "o suéltalos aquí",
    kinds: "PDF, Office, correo, EPUB, HTML, Markdown, CSV, texto",
    dropNow: "Suelta para añadir",
    filter: "Buscar un documento",
    more: "Mostrar más",
    empty: "Aún no hay documentos.",
    noMatch: "Ningún documento se llama así.",
    welcomeTitle: "¿Qué quieres saber?",
    welcomeLead: "Las respuestas salen solo de tus documentos, y cada frase muestra de dónde viene.",
    welcomeFirst: "Empieza con un documento",
    welcomeFirstLead: "Añade un archivo; en un momento podrás preguntar y ver las líneas exactas en que se apoya cada respuesta.",
    question: "Pregunta sobre tus documentos",
    ask: "Preguntar",
    stop: "Detener",
    askNote: "Cada pregunta es independiente. Comprueba lo importante: cada número abre su fuente.",
    evidence: "Fuente",
    deleteTitle: "¿Eliminar este documento?",
    deleteText: "«{name}» y todo lo aprendido de él desaparecerán al instante. No se puede deshacer.",
    keep: "Conservar",
    delete: "Eliminar",
    deleteOf: "Eliminar {name}",
    deleted: "Se eliminó {name}.",
    retry: "Reintentar",
    cancel: "Cancelar",
    cancelOf: "Cancelar {name}",
    dismiss: "Descartar",
    dismissOf: "Descartar {name}",
    uploading: "Subiendo",
    waiting: "En espera",
    queued: "En cola",
    running: "Empezando",
    parsing: "Leyendo",
    chunking: "Dividiendo",
    embedding: "Indexando",
    publishing: "Terminando",
    searchable: "Listo",
    failed: "Error",
    cancelled: "Cancelado",
    known: "Ya estaba, sin cambios",
    uploadLost: "La subida se interrumpió. Revisa la conexión e inténtalo de nuevo.",
    pages: "{n} páginas",
    page1: "1 página",
    page: "página {n}",
    searching: "Buscando en tus documentos…",
    reading: "Leyendo {n} pasajes…",
    reading1: "Leyendo 1 pasaje…",
    writing: "Escribiendo…",
    stopped: "Detenido. Esta respuesta no está terminada ni comprobada.",
    refused: "No está en tus documentos",
    partial: "Respaldo parcial",
    nearest: "Los pasajes más cercanos",
    withdrawn: "Se borró un documento que esta respuesta mostraba.",
    nothing: "Ningún pasaje se acerca a la pregunta.",
    unsupported: "sin fuente",
    unsupportedLabel: "Ninguna fuente de tus documentos respalda esta frase.",
    cite: "Fuente {n}: {name}",
    sources: "Fuentes",
    copy: "Copiar",
    copied: "Copiado",
    timing: "{s} s",
    passageOf: "Pasaje de {name}",
    context: "Mostrar más texto alrededor",
    download: "Descargar el documento",
    version: "versión {n}",
    answered: "La respuesta está lista.",
    connection: "Se perdió la conexión. Vuelve a preguntar cuando regrese.",
    network: "No se puede contactar con el servidor.",
    notReady: "Aún arrancando: {detail}",
    unknownError: "Algo salió mal.",
    you: "Preguntaste",
  },
};

const STORED = "cimiento.language";
let language = pickLanguage();

function pickLanguage() {
  const stored = localStorage.getItem(STORED);
  if (stored in STRINGS) return stored;
  const wanted = navigator.languages.map((name) => name.slice(0, 2));
  return wanted.find((name) => name in STRINGS) ?? "en";
}

export function currentLanguage() {
  return language;
}

export function setLanguage(name) {
  language = name;
  localStorage.setItem(STORED, name);
}

export function t(key, values = {}) {
  return STRINGS[language][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

// Fill the parts of the page that are marked with data-t attributes.
export function translatePage() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", t(node.dataset.tLabel));
    if (node.tagName === "BUTTON") node.title = t(node.dataset.tLabel);
  }
  for (const node of document.querySelectorAll("[data-t-placeholder]")) {
    node.placeholder = t(node.dataset.tPlaceholder);
  }
}
