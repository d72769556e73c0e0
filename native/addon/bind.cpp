// The checks behind bind.h: one value at a time, each error with the place, what was expected and what came.
#include "bind.h"

#include <algorithm>

namespace rectify::bind {

namespace {

const char* array_name(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array: return "Int8Array";
    case napi_uint8_array: return "Uint8Array";
    case napi_uint8_clamped_array: return "Uint8ClampedArray";
    case napi_int16_array: return "Int16Array";
    case napi_uint16_array: return "Uint16Array";
    case napi_int32_array: return "Int32Array";
    case napi_uint32_array: return "Uint32Array";
    case napi_float32_array: return "Float32Array";
    case napi_float64_array: return "Float64Array";
    case napi_bigint64_array: return "BigInt64Array";
    case napi_biguint64_array: return "BigUint64Array";
    default: return "a typed array";
  }
}

std::string message(const std::string& where, const std::string& expected, const std::string& got) {
  return where + ": expected " + expected + ", got " + got;
}

std::string limits_text(Limits limits, const char* kind) {
  const bool low = limits.least > -kSafeInteger, high = limits.most < kSafeInteger;
  if (low && high) return std::string(kind) + " " + number_text(limits.least) + ".." + number_text(limits.most);
  if (low) return std::string(kind) + " of at least " + number_text(limits.least);
  if (high) return std::string(kind) + " of at most " + number_text(limits.most);
  return kind;
}

}  // namespace

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char text[32];
  std::snprintf(text, sizeof text, std::floor(value) == value && std::fabs(value) <= kSafeInteger ? "%.0f" : "%.9g", value);
  return text;
}

std::string describe(Napi::Value value) {
  if (value.IsEmpty() || value.IsUndefined()) return "nothing";
  if (value.IsNull()) return "null";
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value() ? "true" : "false";
  if (value.IsNumber()) return number_text(value.As<Napi::Number>().DoubleValue());
  if (value.IsString()) {
    std::string text = value.As<Napi::String>().Utf8Value();
    if (text.size() > 60) text = text.substr(0, 57) + "...";
    return "\"" + text + "\"";
  }
  if (value.IsFunction()) return "a function";
  if (value.IsTypedArray()) {
    const auto array = value.As<Napi::TypedArray>();
    return std::string(array_name(array.TypedArrayType())) + "(" + std::to_string(array.ElementLength()) + ")";
  }
  if (value.IsArray()) return "an array";
  if (value.IsBigInt()) return "a bigint";
  if (value.IsSymbol()) return "a symbol";
  return "an object";
}

void type_error(Napi::Env env, const std::string& where, const std::string& expected, const std::string& got) {
  throw Napi::TypeError::New(env, message(where, expected, got));
}

void range_error(Napi::Env env, const std::string& where, const std::string& expected, const std::string& got) {
  throw Napi::RangeError::New(env, message(where, expected, got));
}

double read_number(Napi::Value value, const std::string& where, Limits limits) {
  const std::string expected = limits_text(limits, "a number");
  if (!value.IsNumber()) type_error(value.Env(), where, expected, describe(value));
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= limits.least && number <= limits.most)) range_error(value.Env(), where, expected, number_text(number));
  return number;
}

int64_t read_integer(Napi::Value value, const std::string& where, Limits limits) {
  const std::string expected = limits_text(limits, "a whole number");
  if (!value.IsNumber()) type_error(value.Env(), where, expected, describe(value));
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= limits.least && number <= limits.most) || std::floor(number) != number)
    range_error(value.Env(), where, expected, number_text(number));
  return static_cast<int64_t>(number);
}

std::string read_string(Napi::Value value, const std::string& where) {
  if (!value.IsString()) type_error(value.Env(), where, "a string", describe(value));
  return value.As<Napi::String>().Utf8Value();
}

uint32_t read_length(Napi::Value value, const std::string& where) {
  if (!value.IsArray()) type_error(value.Env(), where, "an array", describe(value));
  return value.As<Napi::Array>().Length();
}

ArrayView read_array(Napi::Value value, const std::string& where, napi_typedarray_type type) {
  const Napi::Env env = value.Env();
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
    type_error(env, where, std::string("a ") + array_name(type), describe(value));
  size_t length = 0;
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_typedarray_type got;
  if (napi_get_typedarray_info(env, value, &got, &length, &data, &buffer, nullptr) != napi_ok)
    type_error(env, where, std::string("a readable ") + array_name(type), describe(value));
  bool detached = false;
  if (buffer && napi_is_detached_arraybuffer(env, buffer, &detached) == napi_ok && detached)
    type_error(env, where, std::string("a ") + array_name(type), "one whose buffer was transferred away");
  return {data, data ? length : 0};
}

Reader::Reader(Napi::Value value, std::string where) : where_(std::move(where)) {
  if (!value.IsObject() || value.IsFunction() || value.IsArray() || value.IsTypedArray())
    type_error(value.Env(), where_, "an object", describe(value));
  object_ = value.As<Napi::Object>();
}

void Reader::done() const {
  const Napi::Array names = object_.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); i++) {
    const Napi::Value name = names.Get(i);
    const std::string text = name.IsString() ? name.As<Napi::String>().Utf8Value() : describe(name);
    if (std::find(known_.begin(), known_.end(), text) != known_.end()) continue;
    std::string known;
    for (const std::string& k : known_) known += (known.empty() ? "" : ", ") + k;
    type_error(object_.Env(), where_, "only known keys", text + "; known: " + known);
  }
}

}  // namespace rectify::bind
