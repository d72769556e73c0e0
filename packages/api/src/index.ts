// The public door of the API.
export { type App, type AppOptions, createApp } from "./app.ts"
export { type Access, newToken } from "./guard.ts"
export { type StreamLimits, streamLimits } from "./routes/stream.ts"
export { DEFAULT_PORT, type Served, type ServeOptions, serve } from "./serve.ts"
