//! The binary: the allocator and the way in. All else is in the library.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Between two looks for freed memory that can go back to the kernel.
const GIVE_BACK: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    give_memory_back();
    pgherd::cli::main()
}

unsafe extern "C" {
    /// mimalloc's own: frees what is kept for later, and with `force` at once.
    fn mi_collect(force: bool);
}

/// mimalloc looks for memory to give back when it needs some from the kernel, which after a
/// crowd has left may be never again. A thread of its own does, so that no session waits for it.
fn give_memory_back() {
    let look = || {
        loop {
            thread::sleep(GIVE_BACK);
            // SAFETY: may be called at any time, on any thread.
            unsafe { mi_collect(true) }
        }
    };
    // Without the thread the memory stays; nothing else needs it.
    let _ = thread::Builder::new().name("memory".into()).spawn(look);
}
