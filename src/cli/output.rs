//! What is asked for goes to stdout, which may be a pipe that nobody reads any longer.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stdout};

/// Prints to stdout. A reader that has seen enough (`| head`) is no error; any other failure,
/// such as a full disk, ends the command with exit code 1, since its output is what it is for.
pub(super) fn print(text: Arguments<'_>) {
    let mut out = stdout().lock();
    let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) else { return };
    if error.kind() != ErrorKind::BrokenPipe {
        eprintln!("pgherd: can't write to stdout: {error}");
        std::process::exit(1);
    }
}

/// `print!`, by [`print`].
macro_rules! show {
    ($($words:tt)*) => { $crate::cli::output::print(format_args!($($words)*)) };
}

/// `println!`, by [`print`].
macro_rules! show_line {
    ($($words:tt)*) => {
        $crate::cli::output::print(format_args!("{}\n", format_args!($($words)*)))
    };
}

pub(super) use {show, show_line};
