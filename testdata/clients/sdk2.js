// npm @modelcontextprotocol/client 2.x, with its own OAuth client.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';

// mode is how it negotiates the revision: legacy, or auto, which tries 2026-07-28 first.
export function sdk2(resource, mode = 'auto') {
  const transport = (authProvider) => new StreamableHTTPClientTransport(new URL(resource), { authProvider });
  return {
    name: '@modelcontextprotocol/client 2.x',
    Unauthorized: UnauthorizedError,
    async connect(keeper) {
      const client = new Client({ name: 'doorward-interop', version: '1.0.0' }, { versionNegotiation: { mode } });
      await client.connect(transport(keeper));
      return client;
    },
    finish: (keeper, back) => transport(keeper).finishAuth(back.searchParams),
    revision: (client) => client.getNegotiatedProtocolVersion(),
  };
}
