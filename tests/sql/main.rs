//! What the sql room says of texts.

mod corpora;
mod data;
mod forms;
mod limits;
mod outline;
mod properties;
#[cfg(feature = "referee")]
mod referee;
mod render;
