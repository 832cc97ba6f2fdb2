//! The client's side of a session: its socket and what is on its way there and back.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::failure::Failure;
use super::peer::Peer;
use crate::wire::auth::subject::common_name;
use crate::wire::frame::{self, Header};
use crate::wire::proxy_protocol::{Header as ProxyHeader, HeaderReader};
use crate::wire::stream::Stream;
use crate::wire::{ProtocolError, frontend, tls};

/// Bytes on their way to one side above which nothing more is read from the other.
pub const HIGH_WATER: usize = 64 * 1024;
/// Bytes that a client may send ahead while its statement runs, or waits for a connection.
pub const READ_AHEAD: usize = 64 * 1024;
/// How long a client may take to hear why its connection ends, and to end it, too.
const FAREWELL: Duration = Duration::from_secs(5);
/// A client that has said nothing for so long has said what it was about to say.
const SAID: Duration = Duration::from_millis(250);

/// A client's connection.
#[derive(Debug)]
pub struct Client {
    stream: Stream,
    /// What was read and not yet taken.
    pub input: BytesMut,
    /// What is to be sent.
    pub output: BytesMut,
    /// `limits.message_size`, in bytes.
    max_message: usize,
    peer: Peer,
}

/// Why a client can't be served any more.
#[derive(Debug)]
pub enum Gone {
    /// It closed the connection, or the connection broke.
    Closed,
    /// It broke the protocol; it is told, and the connection ends.
    Protocol(ProtocolError),
    /// It is told this, and the connection ends.
    Sent(Box<Failure>),
}

impl From<ProtocolError> for Gone {
    fn from(error: ProtocolError) -> Gone {
        Gone::Protocol(error)
    }
}

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Gone {
        Gone::Closed
    }
}

impl Client {
    pub fn new(stream: Stream, peer: Peer, max_message: usize) -> Client {
        Client { stream, input: BytesMut::new(), output: BytesMut::new(), max_message, peer }
    }

    /// Where it comes from.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Takes the header by which a load balancer says for whom it speaks, before anything else
    /// was read. Not a byte behind it is.
    pub async fn take_proxy_header(&mut self) -> Result<(), Gone> {
        let mut reader = HeaderReader::default();
        loop {
            let wanted = reader.wants()?;
            if wanted == 0 {
                break;
            }
            let mut piece = vec![0; wanted];
            self.stream.read_exact(&mut piece).await?;
            reader.take(&piece);
        }
        if let ProxyHeader::For(address) = reader.finish()? {
            self.peer = Peer::Network(address);
        }
        Ok(())
    }

    /// The next whole message, if it has been read: its type byte and body.
    pub fn take_message(&mut self) -> Result<Option<(u8, BytesMut)>, ProtocolError> {
        self.header()?;
        frame::take(&mut self.input, self.max_message, "limits.message_size")
    }

    /// The header of the next message, checked, if it has been read.
    pub fn header(&self) -> Result<Option<Header>, ProtocolError> {
        let header = Header::peek(&self.input)?;
        if let Some(header) = &header {
            frontend::check_header(header, self.max_message)?;
        }
        Ok(header)
    }

    /// The type byte of the next message, if any of it has been read.
    pub fn peek(&self) -> Option<u8> {
        self.input.first().copied()
    }

    /// The next message, waiting for it. May be dropped while waiting.
    pub async fn message(&mut self) -> Result<(u8, BytesMut), Gone> {
        loop {
            if let Some(message) = self.take_message()? {
                return Ok(message);
            }
            self.fill().await?;
        }
    }

    /// Reads once; an end is an error. May be dropped while waiting.
    pub async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Whether the other side has ended the connection, as far as is known without reading:
    /// there may still be something to read.
    pub fn has_ended(&self) -> bool {
        self.stream.has_ended()
    }

    /// Sends all of `output`. May be dropped while waiting.
    pub async fn send(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_send(cx)).await
    }

    /// As [`Client::fill`].
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.stream.poll_fill(cx, &mut self.input)
    }

    /// As [`Client::send`].
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_send(cx, &mut self.output)
    }

    /// From now on the runtime that this is called on watches the connection.
    pub fn settle_here(&mut self) -> io::Result<()> {
        self.stream.settle_here()
    }

    /// Gives the buffers back while the client has nothing to say.
    pub fn rest(&mut self) {
        for buffer in [&mut self.input, &mut self.output] {
            if buffer.is_empty() && buffer.capacity() > 0 {
                *buffer = BytesMut::new();
            }
        }
    }

    /// Whether the connection begins with a TLS handshake, which stays unread. Nothing else may
    /// have been read before.
    pub async fn begins_with_tls(&self) -> io::Result<bool> {
        let Stream::Tcp(socket) = &self.stream else { return Ok(false) };
        let mut first = [0];
        Ok(socket.peek(&mut first).await? == 1 && first == [tls::HANDSHAKE])
    }

    /// Does the server's side of a handshake; from then on all is encrypted. A client with whom
    /// it fails is gone, and so is one that is dropped in the middle of it.
    pub async fn encrypt(&mut self, config: &Arc<ServerConfig>, direct: bool) -> io::Result<()> {
        let Stream::Tcp(socket) = mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        // What came before the handshake was in plain text, whoever sent it.
        if !self.input.is_empty() || !self.output.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.stream = Stream::over_tls(tls::accept(socket, config, direct).await?);
        Ok(())
    }

    /// Whether TLS can be spoken: as with Postgres, not over a Unix socket.
    pub fn may_encrypt(&self) -> bool {
        matches!(self.stream, Stream::Tcp(_))
    }

    /// Whether it came in by a Unix socket.
    pub fn is_local(&self) -> bool {
        matches!(self.stream, Stream::Unix(_))
    }

    /// The common name of the certificate that the client has shown, which was checked in the
    /// handshake.
    pub fn certificate_name(&self) -> Option<String> {
        match &self.stream {
            Stream::Tls(tls) => tls.peer_certificate().and_then(common_name),
            _ => None,
        }
    }

    pub fn is_encrypted(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// Ends the connection, after the client has heard what it is told.
    ///
    /// Bytes that nobody reads would make the kernel reset the connection, and with it goes what
    /// the client hasn't read yet. So what it still sends is taken and forgotten, for a while.
    /// Nor does libpq look at what it was told when the connection ends while it is sending.
    pub async fn close(mut self) {
        let farewell = async {
            self.send().await?;
            if !self.input.is_empty() {
                self.hear_out().await?;
            }
            self.stream.shutdown().await?;
            loop {
                self.input.clear();
                self.fill().await?;
            }
        };
        // It ends by the client's end of the connection, or by the time.
        let _: Result<io::Result<()>, _> = timeout(FAREWELL, farewell).await;
    }

    /// Takes and forgets what the client sends, until it has stopped sending.
    async fn hear_out(&mut self) -> io::Result<()> {
        loop {
            self.input.clear();
            match timeout(SAID, self.fill()).await {
                Ok(read) => read?,
                Err(_) => return Ok(()),
            };
        }
    }
}
