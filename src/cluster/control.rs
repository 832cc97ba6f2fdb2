//! Connections of pgherd's own, by tokio-postgres, over the same TLS as those of the pools.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::{Host, SslMode as Wanted};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_rustls::client;

use super::backend::Target;
use crate::config::tls::{ServerTls, SslMode};
use crate::wire::tls;

/// What drives a client's connection; it ends with the client.
pub(super) type Driver = Connection<Socket, Secured>;

/// To where and as whom a target says, under a name that the server's administrator will read.
pub(super) fn config_of(target: &Target, application: &str) -> Config {
    let mut config = Config::new();
    config
        .host(&*target.address.host)
        .port(target.address.port)
        .dbname(&*target.database)
        .user(&*target.login.user)
        .application_name(application);
    if let Some(password) = &target.login.password {
        config.password(password.as_bytes());
    }
    config
}

/// Connects as `config` says, with TLS as `tls` says.
pub(super) async fn connect(
    config: &mut Config,
    tls: &ServerTls,
) -> Result<(Client, Driver), Error> {
    let here = config.get_hosts().iter().any(|host| matches!(host, Host::Unix(_)));
    config.ssl_mode(match tls.mode {
        _ if here => Wanted::Disable,
        SslMode::Disable => Wanted::Disable,
        SslMode::Prefer => Wanted::Prefer,
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Wanted::Require,
    });
    config.connect(Connector { config: tls.config.clone() }).await
}

struct Connector {
    config: Option<Arc<ClientConfig>>,
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Secured;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Handshake> {
        Ok(Handshake { config: self.config.clone(), host: host.to_owned() })
    }
}

struct Handshake {
    config: Option<Arc<ClientConfig>>,
    host: String,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Secured;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Secured>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let config = self.config.ok_or(io::ErrorKind::Unsupported)?;
            Ok(Secured(tls::connect(socket, &config, &self.host).await?))
        })
    }
}

/// A stream over TLS, as tokio-postgres wants it.
pub(super) struct Secured(client::TlsStream<Socket>);

impl TlsStream for Secured {
    fn channel_binding(&self) -> ChannelBinding {
        match tls::binding_of(&self.0) {
            Some(binding) => ChannelBinding::tls_server_end_point(binding.into_vec()),
            None => ChannelBinding::none(),
        }
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
