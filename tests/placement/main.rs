//! Where keys lie: by property, and against a real server.

mod ring;
