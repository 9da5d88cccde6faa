//! A meter in an expression: the library evaluates to the end, however long that is, so that each loop and each
//! addition is made to ask whether it may go on.

use std::{cell::RefCell, mem, time::Instant};

use cel::{
    DeclarationError, Env, ExecutionError, IdedExpr,
    common::{
        ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, operators},
        types::DYN_TYPE,
        value::CowVal,
    },
};

/// The functions that ask: for a pass of a loop, and for a sum. No expression can name them.
const PASS: &str = "@pass";
const SUM: &str = "@sum";
/// How deep an expression may be; the parser has a limit of its own for what it nests, but not for long sums.
const DEPTH: usize = 256;
/// The most steps: passes of loops, and elements and characters that were added up.
const STEPS: u64 = 2_000_000;

thread_local! {
    static BUDGET: RefCell<Option<Budget>> = const { RefCell::new(None) };
}

#[derive(Debug)]
struct Budget {
    steps: u64,
    deadline: Instant,
    exhausted: Option<Exhausted>,
}

/// What ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exhausted {
    Time,
    Steps,
}

/// Does `work` with a budget, and says what had run out by its end.
pub(super) fn metered<T>(deadline: Instant, work: impl FnOnce() -> T) -> (T, Option<Exhausted>) {
    BUDGET.set(Some(Budget { steps: STEPS, deadline, exhausted: None }));
    let value = work();
    (value, BUDGET.take().and_then(|budget| budget.exhausted))
}

/// What to say of too many steps.
pub(super) fn words() -> String {
    format!("it took more than {STEPS} steps")
}

/// Makes the functions known.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(PASS, "pass", vec![DYN_TYPE], |args| ask(args, false))?;
    env.add_overload(SUM, "sum", vec![DYN_TYPE], |args| ask(args, true))
}

/// Gives back its argument, if there is something left of the budget.
fn ask<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>, is_sum: bool) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.pop().ok_or(ExecutionError::InvalidArgumentCount { expected: 1, actual: 0 })?;
    let sizer = value.as_ref().as_sizer().filter(|_| is_sum);
    let size = sizer.map_or(0, |sizer| u64::try_from(*sizer.size().inner()).unwrap_or(u64::MAX));
    BUDGET.with_borrow_mut(|budget| {
        let budget = budget.as_mut().ok_or_else(|| over("no budget"))?;
        let left = budget.steps.checked_sub(size.saturating_add(1));
        budget.steps = left.unwrap_or_default();
        if left.is_none() {
            budget.exhausted.get_or_insert(Exhausted::Steps);
        } else if Instant::now() >= budget.deadline {
            budget.exhausted.get_or_insert(Exhausted::Time);
        }
        if budget.exhausted.is_some() { Err(over("the budget is spent")) } else { Ok(()) }
    })?;
    Ok(value)
}

fn over(message: &str) -> ExecutionError {
    ExecutionError::FunctionError { function: "budget".to_owned(), message: message.to_owned() }
}

/// Puts the functions into an expression.
pub(super) fn install(expression: &mut IdedExpr) -> Result<(), String> {
    walk(expression, 0)
}

fn walk(expression: &mut IdedExpr, depth: usize) -> Result<(), String> {
    if depth > DEPTH {
        return Err(format!("the expression is more than {DEPTH} operators deep"));
    }
    let depth = depth + 1;
    match &mut expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Call(call) => {
            for part in call.target.iter_mut().map(AsMut::as_mut).chain(&mut call.args) {
                walk(part, depth)?;
            }
            if call.func_name == operators::ADD && !is_of_macro(call) {
                wrap(expression, SUM);
            }
        }
        Expr::Comprehension(comprehension) => {
            let ComprehensionExpr { iter_range, accu_init, loop_cond, loop_step, result, .. } =
                &mut **comprehension;
            for part in [iter_range, accu_init, &mut *loop_cond, &mut *loop_step, result] {
                walk(part, depth)?;
            }
            meter(loop_cond, loop_step);
        }
        Expr::List(list) => {
            for element in &mut list.elements {
                walk(element, depth)?;
            }
        }
        Expr::Map(map) => {
            for entry in &mut map.entries {
                walk_entry(&mut entry.expr, depth)?;
            }
        }
        Expr::Struct(fields) => {
            for entry in &mut fields.entries {
                walk_entry(&mut entry.expr, depth)?;
            }
        }
        Expr::Select(select) => walk(&mut select.operand, depth)?,
    }
    Ok(())
}

fn walk_entry(entry: &mut EntryExpr, depth: usize) -> Result<(), String> {
    match entry {
        EntryExpr::StructField(field) => walk(&mut field.value, depth),
        EntryExpr::MapEntry(entry) => {
            walk(&mut entry.key, depth)?;
            walk(&mut entry.value, depth)
        }
    }
}

/// Makes each pass of a loop ask. The library has a fast way for `map` and `filter`, which it knows by their form; that
/// form is kept, and what each pass appends asks instead.
fn meter(condition: &mut IdedExpr, step: &mut IdedExpr) {
    if !matches!(condition.expr, Expr::Literal(_)) {
        return wrap(condition, PASS);
    }
    match &mut step.expr {
        Expr::Call(call) if call.func_name == operators::ADD => {
            if let Some(Expr::List(list)) = call.args.last_mut().map(|last| &mut last.expr) {
                list.elements.iter_mut().for_each(|element| wrap(element, PASS));
                return;
            }
            wrap(condition, PASS);
        }
        // The first argument is what `filter` and `exists_one` ask of each element.
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
            if let Some(first) = call.args.first_mut() {
                wrap(first, PASS);
            }
        }
        _ => wrap(condition, PASS),
    }
}

/// Whether a macro has made this sum, which it must find again as it was.
fn is_of_macro(call: &CallExpr) -> bool {
    matches!(call.args.first().map(|first| &first.expr), Some(Expr::Ident(name)) if name.starts_with('@'))
}

fn wrap(expression: &mut IdedExpr, function: &str) {
    let id = expression.id;
    let inner = mem::take(expression);
    let call = CallExpr { func_name: function.to_owned(), target: None, args: vec![inner] };
    *expression = IdedExpr { id, expr: Expr::Call(call) };
}
