/** Hands a text to the browser as a file. */
export function saveText({ fileName, mime, text }: { fileName: string; mime: string; text: string }): void {
  const url = URL.createObjectURL(new Blob([text], { type: mime }));
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName;
  link.click();
  URL.revokeObjectURL(url);
}
