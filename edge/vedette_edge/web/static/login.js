// A wrong token comes back here; the address says so, as the page itself is the same for all.
document.getElementById("wrong").hidden = location.search !== "?wrong";
