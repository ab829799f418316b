//! Sockets that notice when nobody is there any more.

use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// How long what we sent may stay unread or unconfirmed: 60 s, as others do (nginx, `send_timeout`).
const UNREAD: Duration = Duration::from_mins(1);

/// When a silent peer is asked whether it is still there, how often, and how many times in vain.
const SILENT: Duration = Duration::from_mins(1);
const AGAIN: Duration = Duration::from_secs(10);
const TRIES: u32 = 3;

/// Sets it up; what a kernel does not know it goes without.
pub(crate) fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let unread = u32::try_from(UNREAD.as_millis()).unwrap_or(u32::MAX);
    let _ = sockopt::set_tcp_user_timeout(stream, unread);
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, SILENT);
    let _ = sockopt::set_tcp_keepintvl(stream, AGAIN);
    let _ = sockopt::set_tcp_keepcnt(stream, TRIES);
}
