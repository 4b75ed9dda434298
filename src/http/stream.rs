//! The connection under the framework. It ends callers that take no answer, or too slowly, and
//! those that may have none any more; and it puts words into the answers that the framework makes
//! before any handler runs: those have neither media type nor body, and every answer of a TAXII
//! server has both. What comes it hands over in [portions](super::portions), those of the next request
//! only once the answer to the one before is out.

use super::Door;
use super::addresses::Place;
use super::answer::VARY_BY;
use super::error::Problem;
use super::patience::Patience;
use super::peer::{Peer, Turn};
use super::portions::{Next, Portions};
use crate::exchange::Refused;
use crate::taxii::media_type::TAXII;
use actix_http::StatusCode;
use actix_rt::net::{ActixStream, Ready};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncBufRead as _, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_rustls::server::TlsStream;

/// While an answer goes out, it is asked this often whether its caller may still have it.
const AGAIN: Duration = Duration::from_secs(1);
/// So often in a row it may be that nobody can say.
const MOST_UNTOLD: u32 = 5;
/// What still comes of a head that was refused is thrown away for so long, so that its sender gets to
/// see why: octets that nobody reads would have the system take the answer back.
const LEAVE: Duration = Duration::from_secs(2);
/// So many octets of it at a time.
const PART: usize = 4 << 10;
/// No head has this octet anywhere: what it stands in is no request.
const NO_HEAD: &[u8] = b"\0";

/// A TLS connection after its handshake.
pub(super) struct Stream {
    tls: TlsStream<TcpStream>,
    pub(super) peer: Arc<Peer>,
    door: Arc<Door>,
    patience: Patience,
    /// When to ask again whether the peer may have its answer. Runs from an answer's first write on.
    again: Option<Instant>,
    /// Until when the next request's head is waited for.
    next: Option<Waiting>,
    /// Wakes this connection then.
    alarm: Alarm,
    portions: Portions,
    /// Something came that is not handed over until an answer is out.
    is_withheld: bool,
    /// A head was too long. Nothing is handed over any more.
    is_refused: bool,
    /// Until when what still comes of it is thrown away.
    leaving: Option<Pin<Box<Sleep>>>,
    /// How often in a row it could not be told whether the peer may have its answer.
    untold: u32,
    /// Octets that go out in place of what the framework wrote.
    reworded: Option<Vec<u8>>,
    _place: Place,
}

/// Waiting for the head of another request. The framework has a deadline for the first head of a
/// connection, and one for a connection on which nothing comes: a head that begins and does not
/// go on has neither.
struct Waiting {
    end: Instant,
    /// Something of it has come.
    is_begun: bool,
}

/// A timer that is set for each request and seldom rings: it is left to run as it is while it does not ring too
/// late, as to set it anew costs more.
#[derive(Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Whether it is this late; if not, the task is woken when it is, or before.
    fn is_over(&mut self, cx: &mut Context<'_>, end: Instant) -> bool {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.deadline() > end {
            timer.as_mut().reset(end);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= end {
                return true;
            }
            timer.as_mut().reset(end);
        }
        false
    }
}

impl Stream {
    pub(super) fn new(tls: TlsStream<TcpStream>, peer: Peer, place: Place, door: Arc<Door>) -> Self {
        door.metrics.connection_began();
        let patience = Patience::new(door.limits);
        Self {
            tls,
            peer: Arc::new(peer),
            door,
            patience,
            again: None,
            next: None,
            alarm: Alarm::default(),
            portions: Portions::default(),
            is_withheld: false,
            is_refused: false,
            leaving: None,
            untold: 0,
            reworded: None,
            _place: place,
        }
    }

    /// An error if the peer may have no more of its answer. Asks at most once in a while, also
    /// when nothing else happens.
    fn is_let_in(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let again = *self.again.get_or_insert_with(|| Instant::now() + AGAIN);
        if self.alarm.is_over(cx, again) {
            self.untold = match self.peer.sign_in_again(&self.door) {
                Ok(_) => 0,
                // Nobody is refused: the store could not say.
                Err(problem) if problem.status.is_server_error() && self.untold < MOST_UNTOLD => self.untold + 1,
                Err(_) => {
                    tracing::info!("an answer under way was cut off: its caller is not let in any more");
                    return Err(io::Error::new(ErrorKind::PermissionDenied, "the caller is not let in any more"));
                }
            };
            let again = Instant::now() + AGAIN;
            self.again = Some(again);
            // Set going anew; it cannot be over yet.
            let _ = self.alarm.is_over(cx, again);
        }
        Ok(())
    }

    /// Ends a connection whose next head does not come, or does not go on; `came` says that something of it did.
    fn waits_for_a_head(&mut self, cx: &mut Context<'_>, came: bool) -> io::Result<()> {
        if !matches!(self.peer.turn(), Turn::Next | Turn::Over) || self.again.is_some() {
            self.next = None;
            return Ok(());
        }
        let limits = self.door.limits;
        let next = self.next.get_or_insert_with(|| {
            // What came together with the request before may be its beginning: no idle connection lasts longer.
            Waiting { end: Instant::now() + limits.keep_alive() + limits.header(), is_begun: false }
        });
        if came && !next.is_begun {
            // Usually it is all there: it is read before it is waited for.
            *next = Waiting { end: Instant::now() + limits.header(), is_begun: true };
            return Ok(());
        }
        let end = next.end;
        if self.alarm.is_over(cx, end) {
            return Err(io::Error::new(ErrorKind::TimedOut, "the next request's head does not come"));
        }
        Ok(())
    }

    /// Writes, and ends what goes too slowly or to somebody who may not have it.
    fn write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.next = None;
        self.portions.head_ended();
        self.is_let_in(cx)?;
        let outcome = Pin::new(&mut self.tls).poll_write(cx, octets);
        let taken = if let Poll::Ready(Ok(taken)) = &outcome { *taken } else { 0 };
        self.peer.took(taken);
        self.patience.with(cx, outcome, taken)
    }

    /// Takes note of a request that was refused before it was read, and says so, as far as strangers are
    /// told of at all: whose it was is not known yet, only whose key the handshake proved.
    fn tell(&self, problem: &Problem) {
        let (address, status) = (self.peer.address(), problem.status.as_u16());
        let refused = Refused {
            address: address.to_string(),
            ip: Some(address.ip()),
            organisation: None,
            credential: self.peer.fingerprint(),
            endpoint: "none",
            method: None,
            path: None,
            status: Some(status),
            reason: problem.reason.unwrap_or("not_http"),
        };
        if self.door.exchange.refused(refused) {
            tracing::info!(%address, status, error_id = problem.error_id, "request refused before it was read");
        }
    }

    /// Writes what stands in place of `octets`, and then says that those are written.
    fn write_reworded(&mut self, cx: &mut Context<'_>, mut rest: Vec<u8>, octets: usize) -> Poll<io::Result<usize>> {
        while !rest.is_empty() {
            match self.write(cx, &rest) {
                Poll::Ready(Ok(written)) => drop(rest.drain(..written)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.reworded = Some(rest);
                    return Poll::Pending;
                }
            }
        }
        if self.is_refused && self.leaves(cx).is_pending() {
            self.reworded = Some(rest);
            return Poll::Pending;
        }
        Poll::Ready(Ok(octets))
    }

    /// Whether what comes now is of the next request, and an answer is not out yet.
    fn must_wait(&self) -> bool {
        match self.peer.turn() {
            Turn::Answer => true,
            Turn::First | Turn::Next => self.again.is_some(),
            Turn::Body | Turn::Over => false,
        }
    }

    /// Hands nothing over; but that the connection has ended is said at once.
    fn withhold(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.next = None;
        self.portions.looked_at();
        match Pin::new(&mut self.tls).poll_fill_buf(cx)? {
            Poll::Ready([]) => {
                self.peer.leaves();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(_) => {
                self.is_withheld = true;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Hands over what comes, up to so many octets.
    fn hand_over(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>, most: usize) -> Poll<io::Result<()>> {
        let of_a_head = self.peer.turn().is_of_a_head();
        let mut tls = Pin::new(&mut self.tls);
        let Poll::Ready(came) = tls.as_mut().poll_fill_buf(cx)? else {
            self.portions.looked_at();
            self.waits_for_a_head(cx, false)?;
            return Poll::Pending;
        };
        let octets = came.len().min(most).min(buffer.remaining());
        buffer.put_slice(&came[..octets]);
        tls.consume(octets);
        self.portions.handed(octets, of_a_head);
        // Otherwise it has ended.
        if octets > 0 {
            self.waits_for_a_head(cx, true)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more goes out, and throws away what comes until its sender has nothing more
    /// to say, or too much.
    fn leaves(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let end = self.leaving.get_or_insert_with(|| Box::pin(sleep(LEAVE)));
        if end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // Whether it can be said or not.
        let _ = ready!(Pin::new(&mut self.tls).poll_shutdown(cx));
        let mut octets = [0; PART];
        let mut part = ReadBuf::new(&mut octets);
        match Pin::new(&mut self.tls.get_mut().0).poll_read(cx, &mut part) {
            Poll::Ready(Ok(())) if !part.filled().is_empty() => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            outcome => outcome.map(drop),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.door.metrics.connection_ended();
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_refused {
            return Poll::Pending;
        }
        if self.must_wait() {
            return self.withhold(cx);
        }
        match self.portions.next(self.peer.turn().is_of_a_head()) {
            Next::Octets(most) => self.hand_over(cx, buffer, most),
            Next::Look => {
                self.portions.looked_at();
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Next::TooLong => {
                self.is_refused = true;
                buffer.put_slice(NO_HEAD);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(rest) = self.reworded.take() {
            return self.write_reworded(cx, rest, octets.len());
        }
        // While an answer of ours is on its way, what is written is of that one.
        if self.again.is_none()
            && let Some((problem, reworded)) = reword(octets, self.is_refused)
        {
            self.tell(&problem);
            return self.write_reworded(cx, reworded, octets.len());
        }
        self.write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.tls).poll_flush(cx);
        if outcome.is_ready() {
            self.again = None;
        } else {
            self.is_let_in(cx)?;
        }
        if self.is_withheld && !self.must_wait() {
            self.is_withheld = false;
            cx.waker().wake_by_ref();
        }
        self.patience.with(cx, outcome, 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.tls).poll_shutdown(cx);
        self.patience.with(cx, outcome, 0)
    }
}

impl ActixStream for Stream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.tls.get_ref().0.poll_read_ready(cx).map_ok(|()| Ready::READABLE)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.tls.get_ref().0.poll_write_ready(cx).map_ok(|()| Ready::WRITABLE)
    }
}

/// What goes out in place of `octets`, if they are an answer that the framework made, and what it says.
///
/// Such an answer has no body and no media type. It is written alone, as what comes of a request is handed over
/// only once the answer before is out; or, of a body that is not well-formed, behind the answer of ours that says
/// so and is the last: nobody reads it there. So it cannot be mistaken for the beginning of an answer of ours: the
/// errors among those have a media type.
///
/// To the framework, a head that `is_too_long` is one that is not well-formed.
fn reword(octets: &[u8], is_too_long: bool) -> Option<(Problem, Vec<u8>)> {
    /// The framework's own heads are shorter than this.
    const LONGEST: usize = 512;
    if octets.len() > LONGEST || !octets.starts_with(b"HTTP/1.1 4") || !octets.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(octets).ok().filter(|head| !head.contains("content-type"))?;
    let status = if is_too_long {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    } else {
        StatusCode::from_bytes(head.get(9..12)?.as_bytes()).ok()?
    };
    let problem = Problem::framework_made(status);
    let date = head.lines().find(|line| line.starts_with("date: ")).unwrap_or("connection: close");
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {TAXII}\r\ncontent-length: {}\r\nvary: {VARY_BY}\r\n\
         cache-control: no-store\r\nconnection: close\r\n{date}\r\n\r\n",
        problem.body.len()
    );
    let reworded = [head.as_bytes(), &problem.body].concat();
    Some((problem, reworded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_the_framework_made_gets_media_type_and_body() {
        let made = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\ndate: Sun, 22 Nov 2026 08:00:00 GMT\r\n\r\n";
        let reworded = String::from_utf8(reword(made, false).unwrap().1).unwrap();
        assert!(reworded.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
        assert!(reworded.contains("\r\ncontent-type: application/taxii+json;version=2.1\r\n"));
        assert!(reworded.contains("\r\ndate: Sun, 22 Nov 2026 08:00:00 GMT\r\n"));
        assert!(reworded.ends_with('}') && reworded.contains(r#""http_status":"408""#));
    }

    #[test]
    fn a_head_that_is_too_long_is_not_said_to_be_malformed() {
        let made = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let reworded = String::from_utf8(reword(made, true).unwrap().1).unwrap();
        assert!(reworded.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{reworded}");
        assert!(reworded.contains(r#""http_status":"431""#) && reworded.contains("\r\nconnection: close\r\n"));
    }

    #[test]
    fn answers_of_ours_go_out_as_they_are() {
        for octets in [
            &b"HTTP/1.1 200 OK\r\ncontent-type: application/taxii+json;version=2.1\r\n\r\n"[..],
            b"HTTP/1.1 404 Not Found\r\ncontent-type: application/taxii+json;version=2.1\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n",
            b"\x28\xb5\x2f\xfd compressed, and it ends with HTTP/1.1 408 Request Timeout\r\n\r\n",
            b"\r\n\r\n",
        ] {
            assert!(reword(octets, false).is_none());
        }
    }
}
