//! One byte stream to a client or a server, whatever carries it.
//!
//! Nobody above has to know which it is. What is TLS lies behind a pointer, so that a plain
//! stream is as small and as cheap as its socket.

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use super::socket::{ROOM, Socket};

/// Bytes of one read at most, whatever room there is. The relay's buffers change places: one that
/// had to grow for a large read would take a larger one the next time, and so on, up to what the
/// kernel keeps for a connection.
const MAX_READ: usize = 64 * 1024;

#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<Tls>),
    /// While its socket is in a handshake, and when that has failed: nothing can be read or
    /// written.
    Gone,
}

/// A stream of TLS over TCP.
#[derive(Debug)]
pub struct Tls {
    inner: TlsStream<TcpStream>,
    /// Bytes that were taken over and encrypted, but not yet sent. They count as written when
    /// they are.
    taken: usize,
}

impl Stream {
    /// A stream whose handshake is done.
    pub fn over_tls(inner: impl Into<TlsStream<TcpStream>>) -> Stream {
        Stream::Tls(Box::new(Tls { inner: inner.into(), taken: 0 }))
    }

    /// Reads once into `buf`, into the room that it has or at most [`ROOM`] bytes more, and never
    /// more than 64 KiB; an end is an error. Nothing is lost when the caller stops asking.
    ///
    /// Little is read beside the buffer and then copied, so that who waits has no buffer, and
    /// who says little a small one. Only who says much gets room to read into.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        if buf.capacity() - buf.len() >= ROOM / 4 {
            return match ready!(poll_read_buf(self, cx, buf)) {
                Ok(0) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                other => Poll::Ready(other),
            };
        }
        self.poll_fill_beside(cx, buf)
    }

    /// Reads beside `buf`. Not inlined: who doesn't come here shall not have the room on its
    /// stack.
    #[inline(never)]
    fn poll_fill_beside(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let mut keep = |read: &[u8]| {
            if read.len() > ROOM / 4 {
                buf.reserve(2 * ROOM);
            }
            buf.extend_from_slice(read);
        };
        let read = match self.socket() {
            Some(socket) => ready!(socket.poll_recv(cx, keep))?,
            None => {
                let mut room = [MaybeUninit::uninit(); ROOM];
                let mut read = ReadBuf::uninit(&mut room);
                ready!(Pin::new(&mut *self).poll_read(cx, &mut read))?;
                keep(read.filled());
                read.filled().len()
            }
        };
        match read {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            read => Poll::Ready(Ok(read)),
        }
    }

    /// Sends all of `buf`, which is empty then. Nothing is sent twice when the caller stops
    /// asking and asks again.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<()>> {
        while buf.has_remaining() {
            let sent = match self.socket() {
                Some(socket) => socket.poll_send(cx, buf),
                None => Pin::new(&mut *self).poll_write(cx, buf),
            };
            match ready!(sent)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => buf.advance(n),
            }
        }
        buf.clear();
        Poll::Ready(Ok(()))
    }

    /// Has a wait for bytes end when so many are there. (A wait over a Unix socket ends with any.)
    pub fn wake_at(&self, bytes: usize) {
        let Some(socket) = self.tcp() else { return };
        let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
        // SAFETY: the socket is open as long as it is borrowed, and the value is one of the type
        // and the size that this option has.
        unsafe {
            // Where it fails waits end as they did.
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVLOWAT,
                (&raw const bytes).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            );
        }
    }

    /// Ends the connection at once, whatever is on its way: who is at the other end finds it
    /// broken with the next thing that it says, instead of going on with what it has got.
    pub fn sever(&mut self) {
        if let Some(socket) = self.tcp() {
            // Where that fails it ends a little later.
            let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
        }
        *self = Stream::Gone;
    }

    /// From now on the runtime that this is called on watches the socket, whichever did before.
    ///
    /// A socket's wake-ups come from the runtime that it was made on; on another thread than
    /// its task's each would cost a wake-up between threads.
    pub fn settle_here(&mut self) -> io::Result<()> {
        match self {
            Stream::Tcp(_) => {
                if let Stream::Tcp(socket) = mem::replace(self, Stream::Gone) {
                    *self = Stream::Tcp(TcpStream::from_std(socket.into_std()?)?);
                }
            }
            Stream::Unix(_) => {
                if let Stream::Unix(socket) = mem::replace(self, Stream::Gone) {
                    *self = Stream::Unix(UnixStream::from_std(socket.into_std()?)?);
                }
            }
            Stream::Tls(tls) => {
                // It can't be taken out of what is around it.
                let socket = socket2::SockRef::from(tls.inner.get_ref().0).try_clone()?;
                *tls.inner.get_mut().0 = TcpStream::from_std(socket.into())?;
            }
            Stream::Gone => {}
        }
        Ok(())
    }

    /// Whether an idle stream is still open and has nothing to read: one system call that
    /// doesn't wait. Bytes on an idle connection are as good a reason not to use it as an end.
    pub fn is_quiet(&mut self) -> bool {
        let Some(socket) = self.socket_when_all_is_read() else { return false };
        let mut byte = [MaybeUninit::uninit(); 1];
        let peeked = match socket {
            Socket::Tcp(socket) => socket2::SockRef::from(socket).peek(&mut byte),
            Socket::Unix(socket) => socket2::SockRef::from(socket).peek(&mut byte),
        };
        matches!(peeked, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }

    /// As [`Stream::is_quiet`], but asks the kernel only when the runtime has seen the socket
    /// become readable: free on a busy connection, at most one turn of the runtime behind.
    pub fn seems_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let Some(socket) = self.socket_when_all_is_read() else { return false };
        socket.poll_read_ready(&mut cx).is_pending() || self.is_quiet()
    }

    /// The socket, where it is one of a network.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Stream::Tcp(s) => Some(s),
            Stream::Tls(tls) => Some(tls.inner.get_ref().0),
            Stream::Unix(_) | Stream::Gone => None,
        }
    }

    /// Whether the runtime has seen the other side end the connection, though there may still be
    /// something to read. Costs no system call.
    pub fn has_ended(&self) -> bool {
        let socket = match self {
            Stream::Tcp(s) => Socket::Tcp(s),
            Stream::Unix(s) => Socket::Unix(s),
            Stream::Tls(tls) => Socket::Tcp(tls.inner.get_ref().0),
            Stream::Gone => return true,
        };
        socket.is_read_closed()
    }

    /// The socket, where bytes are carried as they are.
    fn socket(&self) -> Option<Socket<'_>> {
        match self {
            Stream::Tcp(s) => Some(Socket::Tcp(s)),
            Stream::Unix(s) => Some(Socket::Unix(s)),
            Stream::Tls(_) | Stream::Gone => None,
        }
    }

    /// The socket, unless there is something to read already that it gave away.
    fn socket_when_all_is_read(&mut self) -> Option<Socket<'_>> {
        match self {
            Stream::Tcp(s) => Some(Socket::Tcp(s)),
            Stream::Unix(s) => Some(Socket::Unix(s)),
            Stream::Tls(tls) => tls.holds_nothing().then(|| Socket::Tcp(tls.inner.get_ref().0)),
            Stream::Gone => None,
        }
    }
}

impl Tls {
    /// The other side's own certificate (DER), if it has shown one.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        let certificates = self.inner.get_ref().1.peer_certificates();
        certificates?.first().map(|certificate| certificate.as_ref())
    }

    /// Whether nothing has been decrypted and not been read, and the other side goes on.
    ///
    /// The beginning of a record, of which the rest is still to come, says no more than bytes
    /// that are still on their way.
    fn holds_nothing(&mut self) -> bool {
        let state = match &mut self.inner {
            TlsStream::Client(s) => s.get_mut().1.process_new_packets(),
            TlsStream::Server(s) => s.get_mut().1.process_new_packets(),
        };
        state.is_ok_and(|state| state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed())
    }

    /// Ready when the bytes are sent, not when they are encrypted: as with a socket, what isn't
    /// written is still the caller's. Until it is ready, the next call has to begin with the
    /// same bytes; a buffer at whose end is added does.
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.taken == 0 {
            self.taken = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        }
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        Poll::Ready(Ok(mem::take(&mut self.taken).min(buf.len())))
    }
}

/// As tokio's `read_buf`, for a poll: one read into the spare room, or a part of it.
fn poll_read_buf(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    buf: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    let mut room = buf.limit(MAX_READ);
    pin!(stream.read_buf(&mut room)).poll(cx)
}

fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(s) => Pin::new(s).poll_read(cx, buf),
            Stream::Unix(s) => Pin::new(s).poll_read(cx, buf),
            Stream::Tls(s) => Pin::new(&mut s.inner).poll_read(cx, buf),
            Stream::Gone => gone(),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(s) => Pin::new(s).poll_write(cx, buf),
            Stream::Unix(s) => Pin::new(s).poll_write(cx, buf),
            Stream::Tls(s) => s.poll_write(cx, buf),
            Stream::Gone => gone(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(s) => Pin::new(s).poll_flush(cx),
            Stream::Unix(s) => Pin::new(s).poll_flush(cx),
            Stream::Tls(s) => Pin::new(&mut s.inner).poll_flush(cx),
            Stream::Gone => gone(),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(s) => Pin::new(s).poll_shutdown(cx),
            Stream::Unix(s) => Pin::new(s).poll_shutdown(cx),
            Stream::Tls(s) => Pin::new(&mut s.inner).poll_shutdown(cx),
            Stream::Gone => gone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::time::Duration;

    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;
    use crate::wire::tls;

    const SOON: Duration = Duration::from_secs(10);

    async fn plain() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    /// The two ends of a stream over TLS.
    async fn encrypted() -> (Stream, Stream) {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap().der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let private = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], private)
            .unwrap();
        // They would be the first thing to read.
        server.send_tls13_tickets = 0;
        let (one, other) = plain().await;
        let (client, server) = (Arc::new(client), Arc::new(server));
        let both = futures_util::future::try_join(
            tls::connect(one, &client, "localhost"),
            tls::accept(other, &server, false),
        );
        let (client, server) = both.await.unwrap();
        (Stream::over_tls(client), Stream::over_tls(server))
    }

    async fn until_not_quiet(stream: &mut Stream) {
        let told = async {
            while stream.is_quiet() || stream.seems_quiet() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(SOON, told).await.expect("it is told");
    }

    /// What counts as written arrives without another call, however slowly it is read.
    #[tokio::test]
    async fn what_is_written_is_sent() {
        let (mut writer, mut reader) = encrypted().await;
        let data: Vec<u8> = (0..32_000_000u32).map(|i| i as u8).collect();
        let mut written = 0;
        // Until nothing goes any more: nobody reads.
        let more = |writer: &mut Stream, cx: &mut Context<'_>, written| {
            let end = data.len().min(written + 50_000);
            Pin::new(writer).poll_write(cx, &data[written..end])
        };
        loop {
            let wrote = poll_fn(|cx| Poll::Ready(more(&mut writer, cx, written))).await;
            let Poll::Ready(n) = wrote else { break };
            written += n.unwrap();
        }
        assert!(written > 0 && written < data.len());
        let mut read = vec![0; written];
        timeout(SOON, reader.read_exact(&mut read)).await.expect("all of it").unwrap();
        assert!(read == data[..written]);
        // The rest goes on where it stopped.
        let rest = async {
            while written < data.len() {
                written += poll_fn(|cx| more(&mut writer, cx, written)).await.unwrap();
            }
        };
        let mut read = vec![0; data.len() - read.len()];
        let (read_rest, ()) = futures_util::future::join(reader.read_exact(&mut read), rest).await;
        read_rest.unwrap();
        assert!(data.ends_with(&read));
    }

    #[tokio::test]
    async fn what_was_decrypted_and_not_read_is_no_quiet() {
        let (one, other) = plain().await;
        let (here, there) = UnixStream::pair().unwrap();
        for (mut ours, mut theirs) in [
            encrypted().await,
            (Stream::Tcp(one), Stream::Tcp(other)),
            (Stream::Unix(here), Stream::Unix(there)),
        ] {
            assert!(ours.is_quiet() && ours.seems_quiet());
            theirs.write_all(b"ab").await.unwrap();
            until_not_quiet(&mut ours).await;
            assert_eq!(ours.read_u8().await.unwrap(), b'a');
            // The second byte has left the kernel together with the first.
            assert!(!ours.is_quiet() && !ours.seems_quiet());
            assert_eq!(ours.read_u8().await.unwrap(), b'b');
            assert!(ours.is_quiet() && ours.seems_quiet());
            theirs.shutdown().await.unwrap();
            until_not_quiet(&mut ours).await;
        }
    }

    #[tokio::test]
    async fn a_read_is_bounded_whatever_room_there_is() {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        let (mut written, mut reader) = (0, Stream::Unix(reader));
        let chunk = [7; 4096];
        // Until nothing goes any more: nobody reads.
        while let Poll::Ready(n) =
            poll_fn(|cx| Poll::Ready(Pin::new(&mut writer).poll_write(cx, &chunk))).await
        {
            written += n.unwrap();
        }
        assert!(written > MAX_READ);
        let mut read = BytesMut::with_capacity(4 * written);
        let n = poll_fn(|cx| reader.poll_fill(cx, &mut read)).await.unwrap();
        assert_eq!((n, read.len()), (MAX_READ, MAX_READ));
        while read.len() < written {
            poll_fn(|cx| reader.poll_fill(cx, &mut read)).await.unwrap();
        }
        assert!(read.iter().all(|byte| *byte == 7));
    }

    #[tokio::test]
    async fn nothing_goes_over_a_stream_that_is_gone() {
        let mut gone = Stream::Gone;
        assert!(!gone.is_quiet() && !gone.seems_quiet());
        assert!(gone.write_all(b"x").await.is_err() && gone.read_u8().await.is_err());
        assert!(gone.shutdown().await.is_err());
    }
}
