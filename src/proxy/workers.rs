//! The threads that serve clients: each a runtime of its own, with its own share of the clients.
//!
//! A client is served by one thread from its beginning to its end, and so is whatever wakes it:
//! nothing goes from thread to thread while a statement runs. Measured against threads that
//! take each other's tasks: docs/decisions/006-runtimes.md.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// All of them. The first one is the thread that it was made on, whose runtime does all else
/// that there is to do; the others end when this is dropped.
pub struct Workers {
    all: Vec<Arc<Worker>>,
    threads: Vec<Thread>,
}

/// One of them.
pub struct Worker {
    runtime: Handle,
    clients: AtomicUsize,
}

struct Thread {
    /// Its end is the thread's.
    _stop: oneshot::Sender<()>,
    _thread: JoinHandle<()>,
}

/// One client of a worker, for as long as it is there.
pub struct Served(Arc<Worker>);

impl Workers {
    /// Makes as many as this; 0 is one for each two cores, since the kernel's part of the work
    /// needs as much again.
    ///
    /// # Errors
    /// A thread can't be made.
    pub fn start(number: usize) -> io::Result<Workers> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let number = if number == 0 { cores / 2 } else { number };
        let mut all = vec![Arc::new(Worker::of(Handle::current()))];
        let mut threads = Vec::new();
        for i in 1..number {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            all.push(Arc::new(Worker::of(runtime.handle().clone())));
            let (_stop, stopped) = oneshot::channel();
            let run = move || {
                // Nothing is ever sent: it is over when the sender is dropped.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            };
            let _thread = thread::Builder::new().name(format!("pgherd-{i}")).spawn(run)?;
            threads.push(Thread { _stop, _thread });
        }
        Ok(Workers { all, threads })
    }

    /// The one with the fewest clients, for one more.
    pub fn next(&self) -> Served {
        let fewest = self.all.iter().min_by_key(|worker| worker.clients.load(Ordering::Relaxed));
        let worker = Arc::clone(fewest.unwrap_or(&self.all[0]));
        worker.clients.fetch_add(1, Ordering::Relaxed);
        Served(worker)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.threads.len() + 1
    }
}

impl Worker {
    fn of(runtime: Handle) -> Worker {
        Worker { runtime, clients: AtomicUsize::new(0) }
    }
}

impl Served {
    /// Where the client is served.
    pub fn runtime(&self) -> &Handle {
        &self.0.runtime
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clients_are_spread_and_served_on_their_workers_thread() {
        let workers = Workers::start(3).unwrap();
        assert_eq!(workers.count(), 3);
        let served: Vec<Served> = (0..6).map(|_| workers.next()).collect();
        let mut threads = Vec::new();
        for one in &served {
            let thread = one.runtime().spawn(async { thread::current().id() });
            threads.push(thread.await.unwrap());
        }
        let here = thread::current().id();
        for id in &threads {
            assert_eq!(threads.iter().filter(|other| *other == id).count(), 2);
        }
        assert!(threads.contains(&here));
        // Whose clients left gets the next ones.
        let two = threads[1];
        drop(
            served.into_iter().enumerate().filter(|(i, _)| threads[*i] == two).collect::<Vec<_>>(),
        );
        let next = workers.next();
        assert!(next.runtime().spawn(async { thread::current().id() }).await.is_ok());
    }
}
