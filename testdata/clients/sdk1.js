// npm @modelcontextprotocol/sdk 1.x, with its own OAuth client.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

export function sdk1(resource) {
  const transport = (authProvider) => new StreamableHTTPClientTransport(new URL(resource), { authProvider });
  let last;
  return {
    name: '@modelcontextprotocol/sdk 1.x',
    Unauthorized: UnauthorizedError,
    async connect(keeper) {
      const client = new Client({ name: 'doorward-interop', version: '1.0.0' });
      await client.connect((last = transport(keeper)));
      return client;
    },
    finish: (keeper, back) => transport(keeper).finishAuth(back.searchParams.get('code')),
    revision: () => last.protocolVersion,
  };
}
