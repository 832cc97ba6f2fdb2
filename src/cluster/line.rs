//! Whether the machine at the other end of a connection is still there, while we wait for it to
//! take what was sent.
//!
//! For a connection on which nothing is under way, the kernel asks (keepalive). Where bytes are
//! under way it doesn't, and gives up only after a quarter of an hour. TCP_USER_TIMEOUT makes
//! that shorter, but takes a server for gone, too, that is only busy and has no room for more:
//! its machine answers each question for room, and the connection would end all the same. So
//! the socket is looked at from outside, now and then.

use std::time::Duration;

use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

/// Segments in a row that weren't confirmed, after which it is more than a delay.
const UNANSWERED: u8 = 2;

/// A second handle of a connection's socket. The connection ends with the last of them.
#[derive(Debug)]
pub struct Line(Socket);

impl Line {
    /// `None` where there are no file descriptors left: then the connection is not looked after.
    pub fn of(socket: &TcpStream) -> Option<Line> {
        SockRef::from(socket).try_clone().ok().map(Line)
    }

    /// Ends the connection when the other side's machine has confirmed nothing for so long
    /// although it was asked. Who reads or writes there then hears of an end.
    pub fn end_if_silent(&self, silence: Duration) -> bool {
        let silent = self.silent().is_some_and(|since| since >= silence);
        if silent {
            // It may have ended by itself.
            let _ = self.0.shutdown(std::net::Shutdown::Both);
        }
        silent
    }

    /// For how long nothing has been confirmed, while something that was sent should have been.
    #[cfg(target_os = "linux")]
    fn silent(&self) -> Option<Duration> {
        use std::os::fd::AsRawFd;
        // SAFETY: plain data, for which zeros are good.
        let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
        let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
        // SAFETY: the descriptor is ours and open; the kernel writes no more than `len` bytes.
        let asked = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                (&raw mut info).cast(),
                &mut len,
            )
        };
        let unanswered = info.tcpi_retransmits.max(info.tcpi_probes);
        let waits = asked == 0 && unanswered >= UNANSWERED;
        waits.then(|| Duration::from_millis(info.tcpi_last_ack_recv.into()))
    }

    #[cfg(not(target_os = "linux"))]
    fn silent(&self) -> Option<Duration> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Instant;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio::time::{sleep, timeout};

    use super::*;

    const SILENCE: Duration = Duration::from_millis(700);
    const SOON: Duration = Duration::from_secs(30);

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    /// Writes until nothing more is taken.
    fn fill(socket: &TcpStream) {
        while socket.try_write(&[0; 65536]).is_ok() {}
    }

    #[tokio::test]
    async fn a_machine_that_is_gone_is_told_from_a_server_that_is_busy() {
        let (busy, unread) = pair().await;
        let (mut lost, dead) = pair().await;
        let (idle, quiet) = pair().await;
        // From now on its kernel hears nothing of this connection.
        let drop_all = [socket2::SockFilter::new(libc::BPF_RET as u16, 0, 0, 0)];
        SockRef::from(&dead).attach_filter(&drop_all).unwrap();
        fill(&busy);
        lost.try_write(b"lost").unwrap();
        let lines = [&busy, &lost, &idle].map(|socket| Line::of(socket).unwrap());
        let began = Instant::now();
        while !lines[1].end_if_silent(SILENCE) {
            assert!(began.elapsed() < SOON, "not noticed");
            sleep(Duration::from_millis(50)).await;
        }
        assert!(began.elapsed() >= SILENCE, "{:?}", began.elapsed());
        let ended = timeout(SOON, lost.read_u8()).await.expect("it is told");
        assert!(ended.is_err());
        // Long after it would have been noticed of them.
        while began.elapsed() < 6 * SILENCE {
            assert!(!lines[0].end_if_silent(SILENCE), "it is busy");
            assert!(!lines[2].end_if_silent(SILENCE), "nothing is under way");
            sleep(Duration::from_millis(50)).await;
        }
        drop((unread, quiet, dead));
    }
}
