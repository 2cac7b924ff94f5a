// Before anything is painted: the theme that was chosen, so that a dark page never flashes white.
try {
  const chosen = localStorage.getItem("cimiento.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // storage is switched off: the system's theme it is
}
