//! A client's session: read → route → run → reply. No analysis of SQL text.
