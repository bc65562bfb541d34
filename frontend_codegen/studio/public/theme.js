// Runs before the first paint, as its own file because the content security policy forbids inline scripts.
document.documentElement.dataset.theme = localStorage.getItem('fabula.theme') ?? 'auto';
