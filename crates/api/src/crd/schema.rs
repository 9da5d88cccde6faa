//! From Rust types to the schema that the API server applies.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceValidation;
use kube::core::schema::StructuralSchemaRewriter;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Map, Value, json};

/// Keywords that would refuse or change what a user may write, or what is already stored. Only types are left.
const CONSTRAINTS: [&str; 6] = ["default", "enum", "minimum", "nullable", "pattern", "required"];

/// Returns the schema of a root object with this `spec` and `status`.
///
/// # Errors
///
/// The JSON error, when the generated schema uses a keyword in a way that Kubernetes does not know.
pub(super) fn object<Spec: JsonSchema, Status: JsonSchema>(
    description: &str,
) -> Result<CustomResourceValidation, serde_json::Error> {
    let mut spec = of::<Spec>();
    let mut status = of::<Status>();
    types_only(&mut spec);
    types_only(&mut status);
    if let Some(condition) = status.pointer_mut("/properties/conditions/items").and_then(Value::as_object_mut)
    {
        // A list map needs its key, and a condition without status says nothing.
        condition.insert("required".to_owned(), json!(["type", "status"]));
    }
    if let Some(status) = status.as_object_mut() {
        // No generation is -1: so kstatus does not take an object for current that nobody has looked at.
        status.insert("default".to_owned(), json!({"observedGeneration": -1}));
    }
    let root = json!({
        "description": description,
        "type": "object",
        "properties": { "spec": spec, "status": status },
    });
    Ok(CustomResourceValidation { open_api_v3_schema: Some(serde_json::from_value(root)?) })
}

fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let generator = settings
        .with_transform(StructuralSchemaRewriter)
        .with_transform(RecursiveTransform(one_line))
        .into_generator();
    generator.into_root_schema_for::<T>().to_value()
}

/// Removes constraints, and unwraps the alternatives by which an optional object is described.
fn types_only(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    fields.remove("title");
    fields.retain(|keyword, _| !CONSTRAINTS.contains(&keyword.as_str()));
    unwrap_optional(fields);
    if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(types_only);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(keyword) {
            types_only(inner);
        }
    }
}

/// `anyOf: [<schema>, null]` becomes `<schema>`; what stands beside it (the field's description) wins.
fn unwrap_optional(fields: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = fields.remove("anyOf") else { return };
    let some = alternatives.into_iter().find(|alternative| alternative.get("type").is_some());
    if let Some(Value::Object(some)) = some {
        for (keyword, value) in some {
            if !CONSTRAINTS.contains(&keyword.as_str()) {
                fields.entry(keyword).or_insert(value);
            }
        }
    }
}

/// Joins the lines of a doc comment, which are broken for the reader of the source.
fn one_line(schema: &mut schemars::Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        let paragraphs: Vec<String> =
            text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
        *text = paragraphs.join("\n\n");
    }
}
