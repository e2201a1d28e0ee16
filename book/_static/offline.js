// A page opened from a folder may not fetch its neighbours, which the search does for its summaries.
if (location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
