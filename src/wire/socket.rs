//! A socket that the runtime watches, read and written without what the runtime and libc have
//! around that: a query is four such calls, and little else.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// Room for one read. Four times as much took no less CPU for large results.
pub(super) const ROOM: usize = 16 * 1024;

/// What a stream goes over.
pub(super) enum Socket<'s> {
    Tcp(&'s TcpStream),
    Unix(&'s UnixStream),
}

impl Socket<'_> {
    pub fn is_read_closed(&self) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let told = match self {
            Socket::Tcp(socket) => pin!(socket.ready(Interest::READABLE)).poll(&mut cx),
            Socket::Unix(socket) => pin!(socket.ready(Interest::READABLE)).poll(&mut cx),
        };
        match told {
            Poll::Ready(Ok(state)) => state.is_read_closed(),
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        }
    }

    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(socket) => socket.poll_read_ready(cx),
            Socket::Unix(socket) => socket.poll_read_ready(cx),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(socket) => socket.poll_write_ready(cx),
            Socket::Unix(socket) => socket.poll_write_ready(cx),
        }
    }

    fn try_io<R>(
        &self,
        interest: Interest,
        act: impl FnOnce(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        match self {
            Socket::Tcp(socket) => socket.try_io(interest, || act(socket.as_fd())),
            Socket::Unix(socket) => socket.try_io(interest, || act(socket.as_fd())),
        }
    }

    /// Receives once, and hands on what has come; how much that was. When the room wasn't filled
    /// there is no more for now, and the socket isn't asked again before the kernel says so.
    pub fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        mut keep: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(cx))?;
            let mut received = None;
            let asked = self.try_io(Interest::READABLE, |socket| {
                let mut room = [MaybeUninit::uninit(); ROOM];
                let ((read, rest), len) = recv(socket, &mut room[..], RecvFlags::empty())?;
                keep(read);
                received = Some(len);
                let more = rest.is_empty() || len == 0;
                if more { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
            });
            match (received, asked) {
                (Some(len), _) => return Poll::Ready(Ok(len)),
                (None, Err(error)) if !is_passing(&error) => return Poll::Ready(Err(error)),
                _ => {}
            }
        }
    }

    pub fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            let sent = self
                .try_io(Interest::WRITABLE, |socket| Ok(send(socket, bytes, SendFlags::NOSIGNAL)?));
            match sent {
                Err(error) if is_passing(&error) => {}
                other => return Poll::Ready(other),
            }
        }
    }
}

/// Not now, but later.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
