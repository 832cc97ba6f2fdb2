//! A client that says byte for byte what it is told to, that takes every end of its connection
//! calmly, and of which there may be ten thousand.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use pgherd::wire::auth::client::{Exchange, Login};
use pgherd::wire::backend::{Authentication, ErrorFields, tag};
use pgherd::wire::startup::write_startup;
use pgherd::wire::{frame, frontend};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::support::Proxy;

/// How long an answer may take on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_secs(60);
const MAX_FRAME: usize = 1 << 30;

/// A connection to a proxy.
#[derive(Debug)]
pub struct Peer<S = TcpStream> {
    pub stream: S,
    input: BytesMut,
}

/// A frame from the proxy.
pub type Frame = (u8, BytesMut);

/// The herd's user. A clone shares what was derived from the password, so that logging in costs
/// nearly nothing.
pub fn herd_login() -> Login {
    Login::new("pgherd", Some("pgherd"))
}

impl Peer {
    /// A connection that has said nothing.
    pub async fn connect(port: u16) -> io::Result<Peer> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Peer { stream, input: BytesMut::new() })
    }

    /// A connection that has logged in to database `app`.
    pub async fn login(port: u16, login: &Login) -> io::Result<Peer> {
        Peer::login_as(port, login, "peer").await
    }

    /// As [`Peer::login`], and its server's sessions bear this name.
    pub async fn login_as(port: u16, login: &Login, name: &str) -> io::Result<Peer> {
        let mut peer = Peer::connect(port).await?;
        let mut out = BytesMut::new();
        let parameters = [("user", &*login.user), ("database", "app"), ("application_name", name)];
        write_startup(&mut out, parameters);
        peer.send(&out).await?;
        let mut exchange = Exchange::new(login);
        loop {
            let (kind, body) = peer.frame().await?;
            match kind {
                tag::AUTHENTICATION => {
                    let question = Authentication::read(&body).map_err(io::Error::other)?;
                    out.clear();
                    exchange.step(question, &mut out).map_err(io::Error::other)?;
                    peer.send(&out).await?;
                }
                tag::READY_FOR_QUERY => return Ok(peer),
                tag::ERROR_RESPONSE => return Err(io::Error::other(said(&body))),
                _ => {}
            }
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// All frames up to ReadyForQuery, which is the last.
    pub async fn until_ready(&mut self) -> io::Result<Vec<Frame>> {
        let mut frames = Vec::new();
        loop {
            let frame = self.frame().await?;
            let last = frame.0 == tag::READY_FOR_QUERY;
            frames.push(frame);
            if last {
                return Ok(frames);
            }
        }
    }

    /// The answer to a Query; an error is one here, too.
    pub async fn query(&mut self, text: &str) -> io::Result<Vec<Frame>> {
        let mut out = BytesMut::new();
        frontend::write_query(&mut out, text.as_bytes());
        self.send(&out).await?;
        let frames = self.until_ready().await?;
        match frames.iter().find(|(kind, _)| *kind == tag::ERROR_RESPONSE) {
            Some((_, body)) => Err(io::Error::other(said(body))),
            None => Ok(frames),
        }
    }

    /// Reads until the proxy closes; everything it still said.
    pub async fn until_closed(&mut self) -> io::Result<Vec<u8>> {
        let mut all = std::mem::take(&mut self.input).to_vec();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut all)).await;
        match read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? {
            Ok(_) => Ok(all),
            // A reset ends it as well.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(all),
            Err(error) => Err(error),
        }
    }

    /// Says that nothing more will come.
    pub async fn end(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// The two directions apart.
    pub fn split(self) -> (Peer<OwnedReadHalf>, OwnedWriteHalf) {
        let (stream, write) = self.stream.into_split();
        (Peer { stream, input: self.input }, write)
    }

    /// Closes without a farewell: the other side's next word meets a reset.
    pub fn vanish(self) {
        // What isn't read yet makes the kernel send a reset; this does in any case.
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

impl<S: AsyncRead + Unpin> Peer<S> {
    /// The next frame.
    pub async fn frame(&mut self) -> io::Result<Frame> {
        loop {
            let taken = frame::take(&mut self.input, MAX_FRAME, "a test");
            if let Some(frame) = taken.map_err(io::Error::other)? {
                if self.input.is_empty() {
                    self.input = BytesMut::new();
                }
                return Ok(frame);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await;
            if read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// SQLSTATE and message of an ErrorResponse.
pub fn said(body: &[u8]) -> String {
    match ErrorFields::read(body) {
        Ok(fields) => format!(
            "{} {}",
            String::from_utf8_lossy(fields.sqlstate()),
            String::from_utf8_lossy(fields.message())
        ),
        Err(error) => error.message,
    }
}

/// Bytes of memory that the proxy has in use, files that it is made of left out.
pub fn memory(proxy: &Proxy) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("its memory");
    let kilobytes = line.split_whitespace().next().expect("a number");
    kilobytes.parse::<usize>().expect("a number") * 1024
}
