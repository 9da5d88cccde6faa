//! Functions of Rego whose result is much larger than what they are given: one call would take more memory than there
//! is, and end the process.

use regorus::{Engine, Value};

/// The most elements of a range.
const ELEMENTS: u128 = 1_000_000;
/// The most bits that a number is shifted by.
const BITS: i64 = 4096;
/// The most digits of a width in a format.
const DIGITS: usize = 4;

/// What keeps a call from its result.
#[derive(Debug, thiserror::Error)]
enum Bound {
    #[error("{0}: at most {ELEMENTS} elements")]
    Elements(&'static str),
    #[error("bits.lsh: at most {BITS} bits")]
    Bits,
}

/// Refuses a module that formats to a width without measure.
pub(super) fn check(module: &str) -> Result<(), String> {
    let digits = |text: &str| text.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'.')).count();
    if module.match_indices('%').any(|(at, _)| digits(&module[at + 1..]) > DIGITS) {
        return Err(format!("sprintf: the width of a format has at most {DIGITS} digits"));
    }
    Ok(())
}

/// Puts bounded ones in the place of the library's.
pub(super) fn bound(engine: &mut Engine) -> Result<(), String> {
    let plain = |args: Vec<Value>| Ok(range("numbers.range", &args, Some(1))?);
    let stepped = |args: Vec<Value>| Ok(range("numbers.range_step", &args, args.get(2).and_then(integer))?);
    let shifted = |args: Vec<Value>| Ok(shift(&args)?);
    engine
        .add_extension("numbers.range".into(), 2, Box::new(plain))
        .and_then(|()| engine.add_extension("numbers.range_step".into(), 3, Box::new(stepped)))
        .and_then(|()| engine.add_extension("bits.lsh".into(), 2, Box::new(shifted)))
        .map_err(|error| error.to_string())
}

/// The numbers from the first argument to the second, in steps of that size up or down; undefined where one of them is
/// no integer, or the step not above zero.
fn range(name: &'static str, args: &[Value], step: Option<i64>) -> Result<Value, Bound> {
    let (Some(from), Some(to), Some(step)) =
        (args.first().and_then(integer), args.get(1).and_then(integer), step.filter(|step| *step > 0))
    else {
        return Ok(Value::Undefined);
    };
    let (from, to) = (i128::from(from), i128::from(to));
    let (distance, step) = ((to - from).unsigned_abs(), u128::from(step.unsigned_abs()));
    if distance / step >= ELEMENTS {
        return Err(Bound::Elements(name));
    }
    let elements = (0..=distance / step).map(|index| {
        let offset = i128::try_from(index * step).unwrap_or_default();
        Value::from(if from <= to { from + offset } else { from - offset })
    });
    Ok(Value::from(elements.collect::<Vec<_>>()))
}

/// The first argument, shifted left by the second.
fn shift(args: &[Value]) -> Result<Value, Bound> {
    let [Value::Number(number), Value::Number(bits)] = args else { return Ok(Value::Undefined) };
    match bits.as_i64() {
        Some(0..=BITS) => Ok(number.lsh(bits).map_or(Value::Undefined, Value::Number)),
        Some(i64::MIN..0) => Ok(Value::Undefined),
        Some(_) | None => Err(Bound::Bits),
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) if number.is_integer() => number.as_i64(),
        _ => None,
    }
}
