// Before anything is drawn, so that nothing flashes: the colours that were chosen here before, else the system's.
try {
  const chosen = localStorage.getItem("tollkeeper-theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch { /* storage may be denied; then the system's colours it is */ }
