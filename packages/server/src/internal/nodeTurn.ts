import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"

/**
 * Returns the response that is next on a connection. Node has no public API for it, and uses the same private field.
 */
export const current = (socket: Socket): ServerResponse | undefined =>
  (socket as { readonly _httpMessage?: ServerResponse | null })._httpMessage ?? undefined
