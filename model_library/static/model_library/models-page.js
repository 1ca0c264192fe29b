// The staff's buttons on the models page: a change that takes seconds shows that it is under way.

for (const form of document.querySelectorAll("form.changes")) {
  form.addEventListener("submit", (event) => {
    const button = event instanceof SubmitEvent ? event.submitter : null;
    if (!(button instanceof HTMLButtonElement) || !button.dataset.busy) return;
    button.textContent = button.dataset.busy;
    button.setAttribute("aria-busy", "true");
  });
}

// A model's card is the link's target although it lies in the folded list.
const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
const folded = target?.closest("details");
if (folded) folded.open = true;
