//! Whether to repeat a request, and when.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use reqwest::{Response, header::RETRY_AFTER};

use super::Failure;
use crate::{config::Retries, error::Outage};

/// How long to wait before another try, or `None` where there is none.
pub(super) fn pause(retries: Retries, attempt: u32, result: &Result<Response, Failure>) -> Option<Duration> {
    if attempt >= retries.attempts {
        return None;
    }
    let wish = match result {
        Ok(response) if is_passing(response.status().as_u16()) => retry_after(response),
        // A connection that timed out has had its SYN repeated already.
        Err(Failure::Outage(Outage::Connect | Outage::Connection | Outage::Dns)) => None,
        Ok(_) | Err(_) => return None,
    };
    Some(match wish {
        // Whoever was told the same need not come back at the same moment.
        Some(wish) => wish + backoff(retries.backoff, 0, random()) / 4,
        None => backoff(retries.backoff, attempt, random()),
    })
}

const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599) && !matches!(status, 501 | 505)
}

/// Seconds only: a date would be judged by the registry's clock.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

fn backoff(first: Duration, attempt: u32, random: u64) -> Duration {
    let thousandths = 750 + u32::try_from(random % 501).unwrap_or(250);
    first.saturating_mul(3_u32.saturating_pow(attempt)).saturating_mul(thousandths) / 1000
}

/// The standard library's per-map hash key: good enough to keep replicas from retrying in step.
fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_three_times_the_last_give_or_take_a_quarter() {
        let first = Duration::from_millis(200);
        for (attempt, least, most) in [(0, 150, 250), (1, 450, 750), (2, 1350, 2250)] {
            assert_eq!(backoff(first, attempt, 0), Duration::from_millis(least));
            assert_eq!(backoff(first, attempt, 500), Duration::from_millis(most));
            let any = backoff(first, attempt, random());
            assert!((Duration::from_millis(least)..=Duration::from_millis(most)).contains(&any));
        }
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_is_an_answer_is_not() {
        let retries = Retries { attempts: 2, backoff: Duration::from_millis(1) };
        let again = |attempt, status: u16| {
            let answer = http::Response::builder().status(status).body("").unwrap();
            pause(retries, attempt, &Ok(answer.into())).is_some()
        };
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(again(0, status) && again(1, status) && !again(2, status), "{status}");
        }
        for status in [200, 307, 400, 401, 403, 404, 501] {
            assert!(!again(0, status), "{status}");
        }
        for (outage, expected) in [
            (Outage::Connect, true),
            (Outage::Connection, true),
            (Outage::Certificate, false),
            (Outage::Tls, false),
        ] {
            assert_eq!(pause(retries, 0, &Err(Failure::Outage(outage))).is_some(), expected);
        }
        assert!(pause(retries, 0, &Err(Failure::Timeout)).is_none());
    }
}
