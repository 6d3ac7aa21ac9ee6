// While a comment waits for its judgement, fetch the comments again; without JavaScript, reloading does the same.
const comments = document.getElementById("comments");
const isWaiting = () => comments.querySelector("[data-waiting]") !== null;

async function refresh() {
  try {
    const answer = await fetch(comments.dataset.refresh);
    if (answer.ok) comments.innerHTML = await answer.text();
  } catch {
    // The site is away for a moment; ask again.
  }
  if (isWaiting()) setTimeout(refresh, 800);
}

if (isWaiting()) setTimeout(refresh, 300);
