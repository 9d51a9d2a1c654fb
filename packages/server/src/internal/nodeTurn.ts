import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"

/** Returns the response whose turn it is on a connection. Node has no public way to ask, and goes by the same field. */
export const current = (socket: Socket): ServerResponse | undefined =>
  (socket as { readonly _httpMessage?: ServerResponse | null })._httpMessage ?? undefined
