// Reads JavaScript values into C++ structs, makes results of structs, and writes their TypeScript types: all three from one
// list of fields, `fields(visitor, struct)` in options.h. Everything is checked and copied; nothing keeps a JavaScript value.
#pragma once
#include <napi.h>

#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "../device/tensor.h"

namespace rectify::bind {

/** Allowed numbers, both ends included; NaN never is. */
struct Limits {
  double least = -DBL_MAX, most = DBL_MAX;
};
inline constexpr double kSafeInteger = 9007199254740991.0;

/** The names of an enum's values in JavaScript, in order; specialised in options.h. */
template <class E>
struct Names;
/** The TypeScript name of a struct; specialised in options.h. */
template <class T>
struct TypeName;

/** A plain array of whole numbers (`number[]`), where std::vector<int32_t> is an Int32Array. */
template <class T>
struct Numbers {
  std::vector<T>& values;
};
template <class T>
Numbers(std::vector<T>&) -> Numbers<T>;
/** An array that may be left out, which is the same as an empty one. */
template <class T>
struct Maybe {
  std::vector<T>& values;
};
template <class T>
Maybe(std::vector<T>&) -> Maybe<T>;
/** A string with one allowed value, which tells the members of a union apart. */
struct Tag {
  const char* value;
};

/** What a value is, in a few words, without running any JavaScript. */
std::string describe(Napi::Value value);
[[noreturn]] void type_error(Napi::Env env, const std::string& where, const std::string& expected, const std::string& got);
[[noreturn]] void range_error(Napi::Env env, const std::string& where, const std::string& expected, const std::string& got);
std::string number_text(double value);

double read_number(Napi::Value value, const std::string& where, Limits limits);
int64_t read_integer(Napi::Value value, const std::string& where, Limits limits);
std::string read_string(Napi::Value value, const std::string& where);
/** An array's length; throws when it is none. */
uint32_t read_length(Napi::Value value, const std::string& where);
/** The contents of a typed array of exactly this type; to be copied before any other JavaScript runs. */
struct ArrayView {
  const void* data;
  size_t length;
};
ArrayView read_array(Napi::Value value, const std::string& where, napi_typedarray_type type);

template <class T>
inline constexpr napi_typedarray_type array_type = napi_float32_array;
template <>
inline constexpr napi_typedarray_type array_type<int32_t> = napi_int32_array;
template <>
inline constexpr napi_typedarray_type array_type<uint8_t> = napi_uint8_array;

template <class T>
inline constexpr bool is_array = std::is_same_v<T, float> || std::is_same_v<T, int32_t> || std::is_same_v<T, uint8_t>;
template <class T, class = void>
struct IsStruct : std::false_type {};
template <class T>
struct IsStruct<T, std::void_t<decltype(TypeName<T>::value)>> : std::true_type {};

// ---- reading

template <class T>
void read(Napi::Value value, const std::string& where, T& out, Limits limits = {});

template <class T>
void read(Napi::Value value, const std::string& where, std::vector<T>& out, Limits limits = {}) {
  if constexpr (is_array<T>) {
    const ArrayView view = read_array(value, where, array_type<T>);
    out.resize(view.length);
    if (view.length > 0) std::memcpy(out.data(), view.data, view.length * sizeof(T));
  } else {
    const uint32_t length = read_length(value, where);
    out.clear();
    for (uint32_t i = 0; i < length; i++) {
      Napi::HandleScope scope(value.Env());
      out.emplace_back();
      read(value.As<Napi::Object>().Get(i), where + "[" + std::to_string(i) + "]", out.back(), limits);
    }
  }
}

template <class T>
void read(Napi::Value value, const std::string& where, Numbers<T>& out, Limits limits) {
  const uint32_t length = read_length(value, where);
  out.values.clear();
  for (uint32_t i = 0; i < length; i++)
    out.values.push_back(
        static_cast<T>(read_integer(value.As<Napi::Object>().Get(i), where + "[" + std::to_string(i) + "]", limits)));
}

inline void read(Napi::Value value, const std::string& where, Tag& tag, Limits) {
  if (read_string(value, where) != tag.value) type_error(value.Env(), where, tag.value, describe(value));
}

/** Reads the fields of one object; done() refuses those that nothing asked for. */
class Reader {
 public:
  Reader(Napi::Value value, std::string where);

  template <class T>
  void operator()(const char* name, T&& field, Limits limits = {}) {
    known_.emplace_back(name);
    read(object_.Get(name), where_ + "." + name, field, limits);
  }
  template <class T>
  void operator()(const char* name, std::optional<T>& field, Limits limits = {}) {
    known_.emplace_back(name);
    const Napi::Value value = object_.Get(name);
    if (value.IsUndefined()) {
      field.reset();
    } else {
      read(value, where_ + "." + name, field.emplace(), limits);
    }
  }
  template <class T>
  void operator()(const char* name, Maybe<T>&& field, Limits limits = {}) {
    known_.emplace_back(name);
    const Napi::Value value = object_.Get(name);
    field.values.clear();
    if (value.IsUndefined()) return;
    read(value, where_ + "." + name, field.values, limits);
    if (field.values.empty()) range_error(value.Env(), where_ + "." + name, "at least one value", describe(value));
  }
  void done() const;

 private:
  Napi::Object object_;
  std::string where_;
  std::vector<std::string> known_;
};

template <class T>
void read(Napi::Value value, const std::string& where, T& out, Limits limits) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!value.IsBoolean()) type_error(value.Env(), where, "true or false", describe(value));
    out = value.As<Napi::Boolean>().Value();
  } else if constexpr (std::is_enum_v<T>) {
    const std::string text = value.IsString() ? read_string(value, where) : "";
    std::string known;
    int i = 0;
    for (const char* name : Names<T>::values) {
      if (value.IsString() && text == name) {
        out = static_cast<T>(i);
        return;
      }
      known += (i++ ? ", " : "") + std::string(name);
    }
    type_error(value.Env(), where, "a known name", describe(value) + "; known: " + known);
  } else if constexpr (std::is_same_v<T, float>) {
    const double most = std::isinf(limits.most) ? limits.most : std::fmin(limits.most, FLT_MAX);
    out = static_cast<float>(read_number(value, where, {std::fmax(limits.least, -FLT_MAX), most}));
  } else if constexpr (std::is_same_v<T, double>) {
    out = read_number(value, where, limits);
  } else if constexpr (std::is_integral_v<T>) {
    const double least = std::fmax(limits.least, static_cast<double>(std::numeric_limits<T>::lowest()));
    const double most = std::fmin(limits.most, static_cast<double>(std::numeric_limits<T>::max()));
    out = static_cast<T>(read_integer(value, where, {std::fmax(least, -kSafeInteger), std::fmin(most, kSafeInteger)}));
  } else if constexpr (std::is_same_v<T, std::string>) {
    out = read_string(value, where);
  } else {
    Reader reader(value, where);
    fields(reader, out);
    reader.done();
  }
}

/** A struct from one argument. */
template <class T>
T read_struct(Napi::Value value, const std::string& where) {
  T out{};
  read(value, where, out);
  return out;
}

// ---- results

template <class T>
Napi::Value write(Napi::Env env, T& value);
template <class T>
Napi::Value write(Napi::Env env, std::vector<T>& values);
template <class T>
Napi::Value write(Napi::Env env, Numbers<T>& numbers);

/** Makes an object with one property per field. */
class Writer {
 public:
  explicit Writer(Napi::Env env) : object(Napi::Object::New(env)) {}
  template <class T>
  void operator()(const char* name, T&& field, Limits = {}) {
    object.Set(name, write(object.Env(), field));
  }
  Napi::Object object;
};

template <class T>
Napi::Value write(Napi::Env env, std::vector<T>& values) {
  if constexpr (is_array<T>) {
    auto array = Napi::TypedArrayOf<T>::New(env, values.size(), array_type<T>);
    if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(T));
    return array;
  } else {
    Napi::Array array = Napi::Array::New(env, values.size());
    for (size_t i = 0; i < values.size(); i++) {
      Napi::HandleScope scope(env);
      array.Set(static_cast<uint32_t>(i), write(env, values[i]));
    }
    return array;
  }
}

template <class T>
Napi::Value write(Napi::Env env, Numbers<T>& numbers) {
  Napi::Array array = Napi::Array::New(env, numbers.values.size());
  for (size_t i = 0; i < numbers.values.size(); i++)
    array.Set(static_cast<uint32_t>(i), Napi::Number::New(env, static_cast<double>(numbers.values[i])));
  return array;
}

template <class T>
Napi::Value write(Napi::Env env, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return Napi::Boolean::New(env, value);
  } else if constexpr (std::is_enum_v<T>) {
    return Napi::String::New(env, Names<T>::values[static_cast<size_t>(value)]);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return Napi::Number::New(env, static_cast<double>(value));
  } else if constexpr (std::is_same_v<T, std::string>) {
    return Napi::String::New(env, value);
  } else {
    Writer writer(env);
    fields(writer, value);
    return writer.object;
  }
}

// ---- TypeScript

template <class T>
struct IsNumbers : std::false_type {};
template <class T>
struct IsNumbers<Numbers<T>> : std::true_type {};

template <class T>
std::string type_text() {
  if constexpr (std::is_same_v<T, bool>) {
    return "boolean";
  } else if constexpr (std::is_enum_v<T>) {
    std::string text;
    for (const char* name : Names<T>::values) text += (text.empty() ? "\"" : " | \"") + std::string(name) + "\"";
    return text;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return "number";
  } else if constexpr (std::is_same_v<T, std::string>) {
    return "string";
  } else if constexpr (IsNumbers<T>::value) {
    return "number[]";
  } else if constexpr (IsStruct<T>::value) {
    return TypeName<T>::value;
  } else if constexpr (std::is_same_v<T, std::vector<float>>) {
    return "Float32Array";
  } else if constexpr (std::is_same_v<T, std::vector<int32_t>>) {
    return "Int32Array";
  } else if constexpr (std::is_same_v<T, std::vector<uint8_t>>) {
    return "Uint8Array";
  } else {
    return type_text<typename T::value_type>() + "[]";
  }
}

/** Collects the lines of one interface. */
class Typer {
 public:
  template <class T>
  void operator()(const char* name, T&&, Limits = {}) {
    text += std::string("  ") + name + ": " + type_text<std::remove_cvref_t<T>>() + "\n";
  }
  template <class T>
  void operator()(const char* name, std::optional<T>&, Limits = {}) {
    text += std::string("  ") + name + "?: " + type_text<T>() + "\n";
  }
  template <class T>
  void operator()(const char* name, Maybe<T>&&, Limits = {}) {
    text += std::string("  ") + name + "?: " + type_text<std::vector<T>>() + "\n";
  }
  void operator()(const char* name, Tag&& tag, Limits = {}) {
    text += std::string("  ") + name + ": \"" + tag.value + "\"\n";
  }
  std::string text;
};

inline std::string interface_text(const char* name, const Typer& typer) {
  return std::string("export interface ") + name + " {\n" + typer.text + "}\n\n";
}

template <class T>
std::string interface_text() {
  Typer typer;
  T value{};
  fields(typer, value);
  return interface_text(TypeName<T>::value, typer);
}

}  // namespace rectify::bind
