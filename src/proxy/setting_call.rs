//! `SELECT set_config(name, value, false)`, which is a SET in all but form, or a SET LOCAL.

use super::control::is_ours;
use super::failure::Failure;
use super::planner::Part;
use super::settings::{set_config, set_local};
use super::state::{Change, Effect};
use crate::routing::{Parameter, ParameterValue, Refusal, SettingValue};

/// What `SELECT set_config(…)` does to its session, or to its transaction.
///
/// # Errors
/// The setting is one that pgherd has to understand, or can't be followed.
pub fn effect_of_call(
    part: &Part,
    text: &[u8],
    parameters: &[Parameter<'_>],
) -> Result<Effect, Failure> {
    let Some(call) = part.sets() else { return Ok(Effect::Nothing) };
    let refused = || Failure::from(Refusal::session_setting());
    let name = part.literal(call.name, text).ok_or_else(refused)?.to_ascii_lowercase();
    // Settings of applications, and what drivers turn off while they read catalogs.
    if is_ours(&name) || !name.contains('.') && name != "jit" {
        return Err(refused());
    }
    let value = match call.value {
        SettingValue::Literal(slot) => Some(part.literal(slot, text).ok_or_else(refused)?),
        SettingValue::Parameter(number) => {
            let at = usize::from(number).wrapping_sub(1);
            match parameters.get(at).map(|parameter| parameter.value) {
                // The server says that there is none.
                None => return Ok(Effect::Nothing),
                Some(ParameterValue::Unknown) => return Err(refused()),
                Some(ParameterValue::Null) => None,
                Some(ParameterValue::Text(value) | ParameterValue::Binary(value)) => {
                    Some(String::from_utf8(value.to_vec()).map_err(|_| refused())?)
                }
            }
        }
    };
    let name: Box<str> = name.into();
    if call.local {
        let local = Some(set_local(&name, value.as_deref()));
        return Ok(Effect::Change(Box::new(Change { local, ..Change::default() })));
    }
    let change = match value {
        Some(value) => {
            let sql = set_config(&name, &value);
            Change { set: vec![(name, sql)], ..Change::default() }
        }
        None => Change { reset: Some(name), ..Change::default() },
    };
    Ok(Effect::Change(Box::new(change)))
}
